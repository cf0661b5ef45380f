//! The operations as the generators see them: names resolved, types as tokens.

use crate::document::Document;
use crate::lower::parameters_of;
use anyhow::{Context, Result, bail, ensure};
use heck::{ToPascalCase, ToSnakeCase};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    // The order is the router's: literal before variable before wildcard.
    Literal(String),
    Variable(String),
    Wildcard(String),
}

pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) field: Ident,
    pub(crate) ty: TokenStream,
    pub(crate) required: bool,
    pub(crate) place: Place,
    pub(crate) doc: String,
    pub(crate) schema: Value,
}

impl Parameter {
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(&self.schema)
    }
}

/// Whether a schema is of a text that must not be seen.
pub(crate) fn is_secret(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("password")
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

pub(crate) enum Body {
    None,
    Json { schema: String, ty: TokenStream, required: bool },
    Raw,
}

pub(crate) struct Operation {
    pub(crate) id: String,
    /// The slice: a module of the server's `operations`, and an SDK resource.
    pub(crate) tag: String,
    /// The function in the slice.
    pub(crate) function: Ident,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) segments: Vec<Segment>,
    pub(crate) caller: String,
    pub(crate) min_role: Option<String>,
    pub(crate) requires: Option<String>,
    /// What the trail calls it.
    pub(crate) audit: Option<String>,
    /// What the trail calls a refusal: the same, or `resource.verb`.
    pub(crate) refusal: String,
    pub(crate) lookup: Option<String>,
    pub(crate) rate: Option<String>,
    pub(crate) planned: bool,
    pub(crate) max_body: u64,
    /// `x-max-age`: for how many seconds a cache may keep the answer; none may without it.
    pub(crate) max_age: Option<u64>,
    /// `x-aliases`: other names of the body's fields, each with the field's own.
    pub(crate) aliases: Vec<(String, String)>,
    /// `x-refuses`: fields that would limit something if this version knew them, each with the words that limit nothing.
    pub(crate) refuses: Vec<(String, Vec<String>)>,
    pub(crate) summary: String,
    pub(crate) description: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Body,
    /// Success statuses with their one type.
    pub(crate) success: Vec<u16>,
    pub(crate) answer: Option<TokenStream>,
    /// The schema of the answer.
    pub(crate) answer_schema: Option<String>,
    /// When a client may send it again without knowing what became of it, where its method does not tell.
    pub(crate) repeat: Option<Repeat>,
    /// How its answers go on, where one is a part of a longer list.
    pub(crate) pages: Option<Pages>,
}

/// `x-repeat`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// `always`: what it makes is not missed.
    Always,
    /// `refused`: only where it was surely refused, since each answer may be one of few.
    Refused,
}

/// `x-pages`: the answer's field with the items of one page, and the parameter that says which page. Items have an `id`.
pub(crate) struct Pages {
    pub(crate) items: Ident,
    pub(crate) by: Ident,
    /// The schema of an item.
    pub(crate) item: String,
    /// Whether the parameter counts items from 0; else it counts pages from 1.
    pub(crate) counts_items: bool,
}

impl Operation {
    /// Whether its path ends with what may have slashes.
    pub(crate) fn is_wild(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Wildcard(_)))
    }

    pub(crate) fn ident(&self) -> Ident {
        format_ident!("{}", self.id)
    }
    pub(crate) fn constant(&self) -> Ident {
        format_ident!("{}", self.id.to_uppercase())
    }
    pub(crate) fn params_type(&self) -> Ident {
        format_ident!("{}Params", self.id.to_pascal_case())
    }
}

/// Bodies are at most 5 MiB unless an operation says otherwise.
const MAX_BODY: u64 = 5 * 1024 * 1024;

pub(crate) fn operations(document: &Document) -> Result<Vec<Operation>> {
    document
        .operations()
        .map(|(at, path, method, item, operation)| {
            one(document, path, method, item, operation).with_context(|| document.place(&at))
        })
        .collect()
}

fn aliases(operation: &Value) -> Result<Vec<(String, String)>> {
    let map = operation.get("x-aliases").and_then(Value::as_object).into_iter().flatten();
    map.map(|(alias, name)| Ok((alias.clone(), name.as_str().context("x-aliases")?.to_owned()))).collect()
}

fn refuses(operation: &Value) -> Result<Vec<(String, Vec<String>)>> {
    let map = operation.get("x-refuses").and_then(Value::as_object).into_iter().flatten();
    map.map(|(name, words)| {
        let words = words.as_array().context("x-refuses")?.iter();
        let words = words.map(|word| Ok(word.as_str().context("x-refuses")?.to_owned()));
        Ok((name.clone(), words.collect::<Result<_>>()?))
    })
    .collect()
}

fn one(document: &Document, path: &str, method: &str, item: &Value, operation: &Value) -> Result<Operation> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("operationId").context("operationId")?;
    let tag = operation.pointer("/tags/0").and_then(Value::as_str).context("tag")?.to_owned();
    let tags = document.bundle.get("tags").and_then(Value::as_array).context("tags")?;
    let known = tags.iter().find(|t| t.get("name").and_then(Value::as_str) == Some(&tag)).context("unknown tag")?;
    let prefix = known.get("x-prefix").and_then(Value::as_str).context("x-prefix")?;
    let function =
        id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).context("operation id against x-prefix")?;
    let mut wildcard = None;
    let mut parameters = Vec::new();
    for parameter in parameters_of(item, operation) {
        let parameter = document.resolve(parameter)?;
        let name = parameter.get("name").and_then(Value::as_str).context("parameter name")?.to_owned();
        if parameter.get("x-wildcard").is_some() {
            wildcard = Some(name.clone());
        }
        let place = match parameter.get("in").and_then(Value::as_str) {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            other => bail!("a parameter in {other:?}"),
        };
        parameters.push(Parameter {
            field: format_ident!("{}", name.to_snake_case()),
            ty: scalar(document, parameter.get("schema").context("schema")?)?,
            schema: parameter.get("schema").cloned().context("schema")?,
            required: parameter.get("required") == Some(&json!(true)),
            doc: parameter.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            name,
            place,
        });
    }
    let segments =
        path.split('/').skip(1).map(|segment| match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            None => Segment::Literal(segment.to_owned()),
            Some(name) if wildcard.as_deref() == Some(name) => Segment::Wildcard(name.to_owned()),
            Some(name) => Segment::Variable(name.to_owned()),
        });
    let body = if operation.get("x-raw-body").is_some() {
        Body::Raw
    } else {
        match operation.get("requestBody") {
            None => Body::None,
            Some(body) => Body::Json {
                ty: named(body.pointer("/content/application~1json/schema").context("JSON body")?)?,
                schema: name_of(body.pointer("/content/application~1json/schema").context("JSON body")?)?.to_owned(),
                required: body.get("required") == Some(&json!(true)),
            },
        }
    };
    let mut success = Vec::new();
    let mut answers = Vec::new();
    let mut answer_schema = None;
    for (status, response) in operation.get("responses").and_then(Value::as_object).context("responses")? {
        if let Some(code) = status.strip_prefix('2').and_then(|_| status.parse().ok()) {
            success.push(code);
            let response = document.resolve(response)?;
            let schema = response.pointer("/content/application~1json/schema");
            answer_schema = schema.map(name_of).transpose()?.map(str::to_owned);
            answers.push(schema.map(named).transpose()?);
        }
    }
    ensure!(
        answers.windows(2).all(|pair| matches!(pair, [a, b] if spell(a) == spell(b))),
        "success answers of one operation have one type"
    );
    Ok(Operation {
        function: format_ident!("{function}"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        segments: segments.collect(),
        caller: text("x-caller").context("x-caller")?,
        min_role: text("x-min-role"),
        requires: text("x-requires"),
        refusal: text("x-audit").unwrap_or_else(|| format!("{prefix}.{function}")),
        audit: text("x-audit"),
        lookup: text("x-lookup"),
        rate: text("x-rate"),
        repeat: match text("x-repeat").as_deref() {
            None => None,
            Some("always") => Some(Repeat::Always),
            Some("refused") => Some(Repeat::Refused),
            Some(other) => bail!("x-repeat: {other}"),
        },
        planned: operation.get("x-planned").is_some(),
        max_age: operation.get("x-max-age").and_then(Value::as_u64),
        aliases: aliases(operation)?,
        refuses: refuses(operation)?,
        max_body: operation.get("x-max-body-bytes").and_then(Value::as_u64).unwrap_or(MAX_BODY),
        summary: text("summary").unwrap_or_default(),
        description: text("description").unwrap_or_default(),
        parameters,
        body,
        success,
        answer: answers.into_iter().next().flatten(),
        pages: operation
            .get("x-pages")
            .map(|pages| self::pages(document, pages, answer_schema.as_deref()))
            .transpose()?,
        answer_schema,
        id,
        tag,
    })
}

fn pages(document: &Document, pages: &Value, answer: Option<&str>) -> Result<Pages> {
    let text = |key: &str| pages.get(key).and_then(Value::as_str).with_context(|| format!("x-pages has {key}"));
    let (items, by) = (text("items")?, text("by")?);
    let answer = answer.and_then(|name| document.schemas().get(name)).context("x-pages needs an answer")?;
    let item = answer.pointer(&format!("/properties/{items}/items")).context("the items of x-pages are a list")?;
    Ok(Pages {
        items: format_ident!("{items}"),
        by: format_ident!("{by}"),
        item: name_of(item)?.to_owned(),
        counts_items: match by {
            "offset" => true,
            "page" => false,
            other => bail!("x-pages goes by `offset` or `page`, not by `{other}`"),
        },
    })
}

fn spell(ty: &Option<TokenStream>) -> String {
    ty.as_ref().map(TokenStream::to_string).unwrap_or_default()
}

/// The schema that a `$ref` names.
pub(crate) fn name_of(schema: &Value) -> Result<&str> {
    schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()).context("a named schema")
}

fn named(schema: &Value) -> Result<TokenStream> {
    let name = format_ident!("{}", name_of(schema)?.to_pascal_case());
    Ok(quote!(types::#name))
}

/// The type of a parameter, as a path from within `keepward_api`'s root.
fn scalar(document: &Document, schema: &Value) -> Result<TokenStream> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
        let target = document.schemas().get(name).with_context(|| format!("dangling $ref {name}"))?;
        return match target.get("x-rust-type").and_then(Value::as_str) {
            Some(native) => {
                let native = format_ident!("{native}");
                Ok(quote!(crate::#native))
            }
            None => named(schema),
        };
    }
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    Ok(match (text("type"), text("format")) {
        (Some("string"), None) => quote!(String),
        (Some("string"), Some("date-time")) => quote!(crate::Timestamp),
        (Some("string"), Some("password")) => quote!(crate::SecretText),
        (Some("integer"), Some("int32")) => quote!(i32),
        (Some("integer"), Some("int64")) => quote!(i64),
        (Some("boolean"), None) => quote!(bool),
        other => bail!("a parameter of type {other:?}"),
    })
}
