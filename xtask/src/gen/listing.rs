//! The resources and their methods in the page of each SDK, as its language calls them.

use super::surface::{Method, Resource};
use super::{node, python, resources};
use crate::page;
use anyhow::Result;
use heck::ToLowerCamelCase;
use std::fmt::Write;

/// How a language writes a resource, and a call of one of its methods.
struct Language {
    page: &'static str,
    resource: fn(&str) -> String,
    call: fn(&Method<'_>) -> String,
    /// The method over all pages of a list.
    iterator: fn(&Method<'_>) -> String,
}

const LANGUAGES: [Language; 3] = [
    Language {
        page: "docs/sdk/rust.md",
        resource: |name| format!("client.{name}()"),
        call: rust_call,
        iterator: rust_stream,
    },
    Language {
        page: "docs/sdk/python.md",
        resource: |name| format!("client.{name}"),
        call: python_call,
        iterator: |method| format!("iter_{}(...)", method.name()),
    },
    Language {
        page: "docs/sdk/node.md",
        resource: |name| format!("client.{}", name.to_lower_camel_case()),
        call: node_call,
        iterator: |method| format!("{}(...)", node::iterator_name(method)),
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

fn text(language: &Language, all: &[Resource<'_>]) -> Result<String> {
    let mut text = String::new();
    for resource in all {
        write!(text, "### `{}`\n\n{}\n\n", (language.resource)(resource.name), resources::sentence(resource.doc))?;
        for method in &resource.methods {
            let planned = if method.operation.planned { " *(501 in this version of the server)*" } else { "" };
            let summary = resources::sentence(&method.operation.summary);
            writeln!(text, "- `{}`: {summary}{planned}", (language.call)(method))?;
            if method.operation.pages.is_some() {
                writeln!(text, "- `{}`: the same, page after page.", (language.iterator)(method))?;
            }
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    Ok(text + "\n")
}

/// A page with the list of its language, if it has one.
pub(super) fn filled(name: &str, page: String, all: &[Resource<'_>]) -> Result<String> {
    const BEGIN: &str = "<!-- resources: written by `cargo xtask gen` -->";
    const END: &str = "<!-- end of resources -->";
    match LANGUAGES.iter().find(|language| language.page == name) {
        Some(language) => page::between(&page, BEGIN, END, &text(language, all)?),
        None => Ok(page),
    }
}
