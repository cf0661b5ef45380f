//! The resources, their methods and what those answer in the page of each SDK, as its language has them.

use super::shape::{self, Way};
use super::surface::{Method, Resource, member};
use super::{node, python, resources};
use crate::document::Document;
use crate::page;
use anyhow::{Context, Result};
use heck::{ToLowerCamelCase, ToPascalCase};
use quote::quote;
use serde_json::Value;
use std::fmt::Write;

/// How a language writes a resource, a call of one of its methods, and what that answers.
struct Language {
    page: &'static str,
    resource: fn(&str) -> String,
    call: fn(&Method<'_>) -> String,
    /// The method over all pages of a list.
    iterator: fn(&Method<'_>) -> String,
    /// The type of a whole answer.
    answer: fn(&Document, &str) -> Result<String>,
    field: fn(&Sources<'_>, &Field<'_>) -> Result<String>,
}

/// A field of an answer.
struct Field<'a> {
    class: &'a str,
    name: &'a str,
    schema: &'a Value,
    required: bool,
}

/// What the types of fields are known from.
pub(super) struct Sources<'a> {
    pub(super) document: &'a Document,
    /// Those of the Rust SDK.
    pub(super) types: &'a syn::File,
}

const LANGUAGES: [Language; 3] = [
    Language {
        page: "docs/sdk/rust.md",
        resource: |name| format!("client.{name}()"),
        call: rust_call,
        iterator: rust_stream,
        answer: rust_answer,
        field: rust_field,
    },
    Language {
        page: "docs/sdk/python.md",
        resource: |name| format!("client.{name}"),
        call: python_call,
        iterator: |method| format!("iter_{}(...)", method.name()),
        answer: |document, name| python::reference(document, name, Way::Out),
        field: |sources, field| {
            let ty = python::annotation(sources.document, field.schema, Way::Out)?;
            Ok(format!("{}: {ty}{}", field.name, if field.required { "" } else { " | None" }))
        },
    },
    Language {
        page: "docs/sdk/node.md",
        resource: |name| format!("client.{}", name.to_lower_camel_case()),
        call: node_call,
        iterator: |method| format!("{}(...)", node::iterator_name(method)),
        answer: |document, name| node::reference(document, name, Way::Out),
        field: |sources, field| {
            let ty = node::annotation(sources.document, field.schema, Way::Out)?;
            let mark = if field.required { "" } else { "?" };
            Ok(format!("{}{mark}: {ty}", field.name.to_lower_camel_case()))
        },
    },
];

fn rust_call(method: &Method<'_>) -> String {
    let required: Vec<&str> = method.required().map(|argument| argument.name.as_str()).collect();
    let optional: String = method.optional().map(|argument| format!(".{}(..)", argument.field)).collect();
    format!("{}({}){optional}", method.name(), required.join(", "))
}

fn rust_stream(method: &Method<'_>) -> String {
    format!("{}().stream()", method.name())
}

fn rust_answer(document: &Document, name: &str) -> Result<String> {
    let is_open = document.schemas().get(name).is_some_and(shape::is_open);
    Ok(format!("{}{}", name.to_pascal_case(), if is_open { "(Map<String, Value>)" } else { "" }))
}

fn rust_field(sources: &Sources<'_>, field: &Field<'_>) -> Result<String> {
    let member = member(sources.types, field.class, field.name)?;
    Ok(format!("{}: {}", member.ident.as_ref().context("a name")?, short(&member.ty)))
}

/// A type without the modules that it is from.
fn short(ty: &syn::Type) -> String {
    let syn::Type::Path(path) = ty else { return quote!(#ty).to_string() };
    let Some(last) = path.path.segments.last() else { return String::new() };
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return last.ident.to_string() };
    let inner: Vec<String> = arguments
        .args
        .iter()
        .map(|argument| match argument {
            syn::GenericArgument::Type(ty) => short(ty),
            other => quote!(#other).to_string(),
        })
        .collect();
    format!("{}<{}>", last.ident, inner.join(", "))
}

fn python_call(method: &Method<'_>) -> String {
    let mut names: Vec<String> = method.required().map(|argument| python::identifier(&argument.name)).collect();
    names.extend(method.optional().map(|argument| format!("{}=...", python::identifier(&argument.name))));
    format!("{}({})", method.name(), names.join(", "))
}

fn node_call(method: &Method<'_>) -> String {
    let mut names: Vec<String> =
        node::positional(method).iter().map(|argument| argument.name.to_lower_camel_case()).collect();
    let named: Vec<String> = node::named(method)
        .iter()
        .map(|argument| format!("{}{}", argument.name.to_lower_camel_case(), if argument.required { "" } else { "?" }))
        .collect();
    if !named.is_empty() {
        names.push(format!("{{ {} }}", named.join(", ")));
    }
    format!("{}({})", node::method_name(method), names.join(", "))
}

fn text(language: &Language, sources: &Sources<'_>, all: &[Resource<'_>]) -> Result<String> {
    let mut text = String::new();
    for resource in all {
        write!(text, "### `{}`\n\n{}\n\n", (language.resource)(resource.name), resources::sentence(resource.doc))?;
        for method in &resource.methods {
            let planned = if method.operation.planned { " *(501 in this version of the server)*" } else { "" };
            let summary = resources::sentence(&method.operation.summary);
            let answer = match method.answer {
                Some(name) => format!(" → `{}`", (language.answer)(sources.document, name)?),
                None => String::new(),
            };
            writeln!(text, "- `{}`{answer}: {summary}{planned}", (language.call)(method))?;
            if method.operation.pages.is_some() {
                writeln!(text, "- `{}`: the same, page after page.", (language.iterator)(method))?;
            }
        }
        text.push('\n');
    }
    text.push_str("## All answers\n\n");
    for (class, schema, fields) in shape::answers(sources.document) {
        let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let fields = fields.iter().map(|(name, schema)| {
            let field = Field { class, name, schema, required: required.iter().any(|required| required == name) };
            Ok(format!("`{}`", (language.field)(sources, &field)?))
        });
        let fields = fields.collect::<Result<Vec<_>>>()?;
        writeln!(text, "- **`{}`**: {}", class.to_pascal_case(), fields.join(", "))?;
    }
    Ok(text)
}

/// A page with the list of its language, if it has one.
pub(super) fn filled(name: &str, page: String, sources: &Sources<'_>, all: &[Resource<'_>]) -> Result<String> {
    const BEGIN: &str = "<!-- resources: written by `cargo xtask gen` -->";
    const END: &str = "<!-- end of resources -->";
    match LANGUAGES.iter().find(|language| language.page == name) {
        Some(language) => page::between(&page, BEGIN, END, &text(language, sources, all)?),
        None => Ok(page),
    }
}
