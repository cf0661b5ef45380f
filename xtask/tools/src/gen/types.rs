//! `openapi/src/generated.rs`: one type a schema (typify), and the parameters of each operation.

use super::print;
use crate::lower::Lowered;
use crate::model::{Operation, Repeat};
use anyhow::{Result, ensure};
use quote::{format_ident, quote};
use typify::{TypeSpace, TypeSpaceImpl, TypeSpaceSettings};

/// One type a schema.
pub(crate) fn types(lowered: &Lowered) -> Result<syn::File> {
    let mut settings = TypeSpaceSettings::default();
    settings.with_struct_builder(false);
    for (name, native) in &lowered.natives {
        settings.with_replacement(name, native, [TypeSpaceImpl::Display, TypeSpaceImpl::FromStr].into_iter());
    }
    let mut space = TypeSpace::new(&settings);
    let mut definitions = Vec::new();
    for (name, schema) in &lowered.schemas {
        definitions.push((name.clone(), serde_json::from_value::<schemars::schema::Schema>(schema.clone())?));
    }
    space.add_ref_types(definitions)?;
    let mut file: syn::File = syn::parse2(space.to_stream())?;
    for (schema, field) in &lowered.patches {
        tell_absent_from_null(&mut file, schema, field)?;
    }
    Ok(file)
}

pub(crate) fn generate(lowered: &Lowered, file: &syn::File, operations: &[Operation]) -> Result<String> {
    // Hand-written types have no place in the module of generated ones, but in its names.
    let natives =
        lowered.natives.iter().filter(|(_, native)| !native.contains('<')).map(|(name, _)| format_ident!("{name}"));
    let natives = quote!(pub use crate::{#(#natives),*};);
    let params = operations.iter().filter(|operation| !operation.parameters.is_empty()).map(|operation| {
        let name = operation.params_type();
        let doc = format!(" Parameters of `{} {}`.", operation.method, operation.path);
        let fields = operation.parameters.iter().map(|parameter| {
            let (field, ty, doc) = (&parameter.field, &parameter.ty, format!(" {}", parameter.doc));
            let ty = if parameter.required { quote!(#ty) } else { quote!(Option<#ty>) };
            quote!(#[doc = #doc] pub #field: #ty)
        });
        quote! { #[doc = #doc] #[derive(Clone, Debug)] pub struct #name { #(#fields),* } }
    });
    let actions = operations.iter().filter_map(|operation| {
        let (name, action) = (operation.constant(), operation.audit.as_ref()?);
        let doc = format!(" Of `{} {}`.", operation.method, operation.path);
        Some(quote!(#[doc = #doc] pub const #name: &str = #action;))
    });
    let actions: Vec<_> = actions.collect();
    let ids = |of: fn(&Operation) -> bool| {
        let ids = operations.iter().filter(|operation| of(operation)).map(|operation| &operation.id);
        quote!(&[#(#ids),*])
    };
    let public = ids(|operation| operation.caller == "public");
    let wild = ids(Operation::is_wild);
    let always = ids(|operation| operation.repeat == Some(Repeat::Always));
    let refused = ids(|operation| operation.repeat == Some(Repeat::Refused));
    print(quote! {
        /// Operations that take no credential.
        pub const PUBLIC: &[&str] = #public;
        /// Operations whose path ends with a parameter that may have slashes.
        pub const WILD: &[&str] = #wild;
        /// Operations that a client may send again whatever became of them, besides those of GET.
        pub const REPEATED: &[&str] = #always;
        /// Operations that a client may send again only where they were surely refused: each answer may be one of few.
        pub const COUNTED: &[&str] = #refused;
        /// What the audit trail calls a success of each operation that it keeps.
        pub mod actions { #(#actions)* }
        /// One type a schema.
        pub mod types { #natives #file }
        /// The parameters of each operation that has some.
        pub mod params {
            #(#params)*
        }
    })
}

/// typify has one `Option` for absent and null; a merge patch needs both.
fn tell_absent_from_null(file: &mut syn::File, schema: &str, field: &str) -> Result<()> {
    let mut found = false;
    for item in &mut file.items {
        let syn::Item::Struct(item) = item else { continue };
        if item.ident != schema {
            continue;
        }
        for member in item.fields.iter_mut().filter(|f| f.ident.as_ref().is_some_and(|name| name == field)) {
            let ty = &member.ty;
            member.ty = syn::parse_quote!(::std::option::Option<#ty>);
            member.attrs.retain(|attribute| !attribute.path().is_ident("serde"));
            member.attrs.push(syn::parse_quote!(
                #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "::std::option::Option::is_none")]
            ));
            found = true;
        }
    }
    ensure!(found, "{schema}.{field} is marked for merging but not generated");
    Ok(())
}
