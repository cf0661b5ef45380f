//! `sdk-rust/src/generated.rs`: progenitor's client over the types of `keepward_api`.

use super::HEAD;
use crate::document::Document;
use crate::lower::{self, Lowered};
use crate::model::Operation;
use anyhow::{Context, Result};
use heck::ToPascalCase;
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::{format_ident, quote};

pub(crate) fn generate(document: &Document, lowered: &Lowered, operations: &[Operation]) -> Result<String> {
    let spec = lower::for_progenitor(document, lowered)?;
    let spec: openapiv3::OpenAPI = serde_json::from_value(spec).context("the lowered document is no OpenAPI 3.0")?;
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(std::sync::Arc<crate::transport::Transport>));
    for (name, schema) in &lowered.schemas {
        let text = lowered.natives.contains_key(name) || schema.get("enum").is_some();
        let impls = if text { vec![TypeImpl::Display, TypeImpl::FromStr] } else { vec![] };
        let path = match lowered.natives.get(name) {
            Some(native) => native.replace("crate::", "keepward_api::"),
            None => format!("keepward_api::types::{name}"),
        };
        settings.with_replacement(name, path, impls.into_iter());
    }
    let tokens = Generator::new(&settings).generate_tokens(&spec).context("progenitor")?;
    let mut file: syn::File = syn::parse2(tokens)?;
    for operation in operations.iter().filter(|operation| operation.parameters.iter().any(|one| one.is_secret())) {
        print_nothing(&mut file, &operation.id.to_pascal_case())?;
    }
    Ok(format!("{HEAD}{}", prettyplease::unparse(&file)))
}

/// progenitor holds a parameter as plain text: a builder with one that must not be seen shows none of its fields.
fn print_nothing(file: &mut syn::File, name: &str) -> Result<()> {
    let builders = file.items.iter_mut().find_map(|item| match item {
        syn::Item::Mod(module) if module.ident == "builder" => module.content.as_mut(),
        _ => None,
    });
    let (_, items) = builders.context("no module of builders")?;
    let builder = items.iter_mut().find_map(|item| match item {
        syn::Item::Struct(item) if item.ident == name => Some(item),
        _ => None,
    });
    let builder = builder.with_context(|| format!("no builder {name}"))?;
    let derive = builder.attrs.iter_mut().find(|attribute| attribute.path().is_ident("derive"));
    *derive.context("a builder derives")? = syn::parse_quote!(#[derive(Clone)]);
    let ident = format_ident!("{name}");
    items.push(syn::parse_quote! {
        impl std::fmt::Debug for #ident<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(#name).finish_non_exhaustive()
            }
        }
    });
    Ok(())
}
