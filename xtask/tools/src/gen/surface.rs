//! What an SDK offers, in whatever language: resources, their methods, and what each takes.

use crate::document::Document;
use crate::model::{Body, Operation, Place, is_secret};
use anyhow::{Context, Result, ensure};
use heck::ToPascalCase;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) struct Resource<'a> {
    /// Its name on a client, such as `api_keys`.
    pub(super) name: &'a str,
    pub(super) doc: &'a str,
    pub(super) methods: Vec<Method<'a>>,
}

pub(super) struct Method<'a> {
    pub(super) operation: &'a Operation,
    /// Required ones first, in the order of the document.
    pub(super) arguments: Vec<Argument>,
    /// The schema of the answer, if there is more to it than that it was done.
    pub(super) answer: Option<&'a str>,
}

/// Where an argument goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Parameter(Place),
    /// A field of the body.
    Field,
    /// The body as it is.
    Raw,
}

pub(super) struct Argument {
    /// In the form `snake_case`.
    pub(super) name: String,
    /// The field of the request's type.
    pub(super) field: Ident,
    /// Its type as the root of the Rust SDK sees it, without the `Option` of an optional one.
    pub(super) ty: TokenStream,
    pub(super) required: bool,
    /// Whether an optional one is held in an `Option`; a list without elements needs none.
    pub(super) is_option: bool,
    /// Whether it can be cleared: null is not the same as absent.
    pub(super) clears: bool,
    pub(super) destination: Destination,
    pub(super) doc: String,
    pub(super) schema: Value,
}

impl Argument {
    pub(super) fn is_secret(&self) -> bool {
        is_secret(&self.schema)
    }
}

impl Method<'_> {
    pub(super) fn name(&self) -> &Ident {
        &self.operation.function
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|argument| argument.required)
    }

    pub(super) fn optional(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|argument| !argument.required)
    }
}

/// Every operation of the document, by resource.
pub(super) fn resources<'a>(
    document: &'a Document,
    types: &syn::File,
    operations: &'a [Operation],
) -> Result<Vec<Resource<'a>>> {
    let tags = document.bundle.get("tags").and_then(Value::as_array).context("tags")?;
    tags.iter()
        .map(|tag| {
            let text = |key: &str| tag.get(key).and_then(Value::as_str).with_context(|| format!("a tag's {key}"));
            let name = text("name")?;
            let of_tag = operations.iter().filter(|operation| operation.tag == name);
            let methods = of_tag.map(|operation| method(document, types, operation)).collect::<Result<_>>()?;
            Ok(Resource { name, doc: text("description")?, methods })
        })
        .collect()
}

fn method<'a>(document: &Document, types: &syn::File, operation: &'a Operation) -> Result<Method<'a>> {
    let mut arguments: Vec<Argument> = operation
        .parameters
        .iter()
        .map(|parameter| Argument {
            name: parameter.field.to_string(),
            field: parameter.field.clone(),
            ty: parameter.ty.clone(),
            required: parameter.required,
            is_option: !parameter.required,
            clears: false,
            destination: Destination::Parameter(parameter.place),
            doc: parameter.doc.clone(),
            schema: parameter.schema.clone(),
        })
        .collect();
    // In the order of the path, whatever the document's.
    let in_path = |name: &str| operation.path.find(&format!("{{{name}}}"));
    arguments.sort_by_key(|argument| in_path(&argument.name).unwrap_or(usize::MAX));
    match &operation.body {
        Body::None => {}
        Body::Raw => arguments.push(Argument {
            name: "body".to_owned(),
            field: format_ident!("body"),
            ty: quote!(Vec<u8>),
            required: true,
            is_option: false,
            clears: false,
            destination: Destination::Raw,
            doc: "The body as it was received.".to_owned(),
            schema: serde_json::json!({"type": "string", "format": "binary"}),
        }),
        Body::Json { schema, .. } => arguments.extend(fields(document, types, schema)?),
    }
    let mut names = BTreeSet::new();
    ensure!(
        arguments.iter().all(|argument| names.insert(argument.name.clone())),
        "{}: a parameter and a field of the body have one name",
        operation.id
    );
    arguments.sort_by_key(|argument| !argument.required);
    // The methods over all pages give what may be left out, and nothing else.
    ensure!(
        operation.pages.is_none() || arguments.iter().all(|argument| !argument.required),
        "{}: a list in pages takes nothing that is required, until the generators can give it",
        operation.id
    );
    let answer = operation.answer_schema.as_deref().filter(|name| *name != "Empty");
    Ok(Method { operation, arguments, answer })
}

fn fields(document: &Document, types: &syn::File, schema: &str) -> Result<Vec<Argument>> {
    let described = document.schemas().get(schema).with_context(|| format!("no schema {schema}"))?;
    let empty = serde_json::Map::new();
    let properties = described.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required = described.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    properties
        .iter()
        .map(|(name, property)| {
            let member = member(types, schema, name)?;
            let (outer, ty) = unwrap_option(&member.ty);
            let (clears, ty) = match (outer, unwrap_option(ty)) {
                (true, (true, inner)) => (true, inner),
                _ => (false, ty),
            };
            Ok(Argument {
                name: name.clone(),
                field: member.ident.clone().context("a name")?,
                ty: qualified(ty),
                required: required.iter().any(|required| required == name),
                is_option: outer,
                clears,
                destination: Destination::Field,
                doc: property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
                schema: property.clone(),
            })
        })
        .collect()
}

/// The field of the type of a schema, by its name in the document.
pub(super) fn member<'a>(types: &'a syn::File, schema: &str, name: &str) -> Result<&'a syn::Field> {
    let class = schema.to_pascal_case();
    let item = types.items.iter().find_map(|item| match item {
        syn::Item::Struct(item) if item.ident == class => Some(item),
        _ => None,
    });
    let item = item.with_context(|| format!("no type {class}"))?;
    let found = item.fields.iter().find(|member| wire_name(member).as_deref() == Some(name));
    found.with_context(|| format!("{schema}.{name} has no field"))
}

/// What serde calls a field.
fn wire_name(member: &syn::Field) -> Option<String> {
    let mut name = member.ident.as_ref()?.to_string();
    for attribute in member.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // Whatever else stands there is of no interest.
        let _ = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                name = meta.value()?.parse::<syn::LitStr>()?.value();
            } else if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<syn::Lit>()?;
            }
            Ok(())
        });
    }
    Some(name)
}

fn unwrap_option(ty: &syn::Type) -> (bool, &syn::Type) {
    if let syn::Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && last.ident == "Option"
        && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (true, inner);
    }
    (false, ty)
}

/// A type as it is named from outside of the module of generated types.
fn qualified(ty: &syn::Type) -> TokenStream {
    let syn::Type::Path(path) = ty else { return quote!(#ty) };
    let mut path = path.path.clone();
    if path.leading_colon.is_some() && path.segments.first().is_some_and(|first| first.ident == "uuid") {
        return quote!(crate::Uuid);
    }
    for segment in &mut path.segments {
        if let syn::PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
            for argument in &mut arguments.args {
                if let syn::GenericArgument::Type(inner) = argument {
                    let outside = qualified(inner);
                    *inner = syn::parse_quote!(#outside);
                }
            }
        }
    }
    match path.leading_colon.is_none() && path.segments.len() == 1 && !is_primitive(&path) {
        true => quote!(crate::types::#path),
        false => quote!(#path),
    }
}

fn is_primitive(path: &syn::Path) -> bool {
    ["bool", "i32", "i64", "u32", "u64", "f64"].iter().any(|name| path.is_ident(name))
}
