//! `sdk-rust/src/generated.rs`: progenitor's client over the types of `keepward_api`.

use super::HEAD;
use crate::document::Document;
use crate::lower::{self, Lowered};
use anyhow::{Context, Result};
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::quote;

pub(crate) fn generate(document: &Document, lowered: &Lowered) -> Result<String> {
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
    let file: syn::File = syn::parse2(tokens)?;
    Ok(format!("{HEAD}{}", prettyplease::unparse(&file)))
}
