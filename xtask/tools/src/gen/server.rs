//! `server/src/http/generated`: the trait of all operations, its implementation by the slices, and the router.

use super::print;
use crate::model::{Body, Operation, Place, Segment};
use anyhow::{Result, bail};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn module() -> Result<String> {
    print(quote! {
        pub(crate) mod layer;
        pub(crate) mod operations;
    })
}

fn caller(operation: &Operation) -> Result<TokenStream> {
    Ok(match operation.caller.as_str() {
        "public" => quote!(Visitor),
        "user" => quote!(UserCaller),
        "agent" => quote!(AgentCaller),
        "any" => quote!(AnyCaller),
        "operator" => quote!(OperatorCaller),
        other => bail!("x-caller {other}"),
    })
}

fn lookup(operation: &Operation) -> Option<TokenStream> {
    let kind = operation.lookup.as_deref()?;
    let kind = format_ident!("{}", heck::ToPascalCase::to_pascal_case(kind));
    Some(quote!(lookup::#kind))
}

/// The parameters by which a lookup finds its row.
fn lookup_fields(operation: &Operation) -> Result<Vec<proc_macro2::Ident>> {
    let names: &[&str] = match operation.lookup.as_deref() {
        Some("vault") => &["vault_id"],
        Some("listing") => &["vault_id", "prefix"],
        Some("secret") => &["vault_id", "path"],
        Some("agent") => &["agent_id"],
        other => bail!("x-lookup {other:?}"),
    };
    Ok(names.iter().map(|name| format_ident!("{name}")).collect())
}

fn body_type(operation: &Operation) -> Option<TokenStream> {
    match &operation.body {
        Body::None => None,
        Body::Raw => Some(quote!(Unread<bytes::Bytes>)),
        Body::Json { ty, required: true, .. } => Some(quote!(Unread<#ty>)),
        Body::Json { ty, required: false, .. } => Some(quote!(Unread<Option<#ty>>)),
    }
}

/// The handler's arguments after the application: caller, what the lookup found, parameters, body.
fn arguments(operation: &Operation) -> Result<Vec<(proc_macro2::Ident, TokenStream)>> {
    let mut arguments = vec![(format_ident!("caller"), caller(operation)?)];
    if let Some(lookup) = lookup(operation) {
        arguments.push((format_ident!("found"), quote!(Found<#lookup>)));
    }
    if !operation.parameters.is_empty() {
        let params = operation.params_type();
        arguments.push((format_ident!("params"), quote!(params::#params)));
    }
    if let Some(body) = body_type(operation) {
        arguments.push((format_ident!("body"), body));
    }
    Ok(arguments)
}

fn answer(operation: &Operation) -> TokenStream {
    let plain = match &operation.answer {
        Some(ty) => quote!(#ty),
        None if operation.success.is_empty() => quote!(std::convert::Infallible),
        None => quote!(()),
    };
    let plain = if operation.success.len() == 2 { quote!(OkOrCreated<#plain>) } else { plain };
    if operation.audit.is_some() { quote!(Recorded<#plain>) } else { plain }
}

pub(crate) fn operations(operations: &[Operation]) -> Result<String> {
    let mut methods = Vec::new();
    let mut delegations = Vec::new();
    for operation in operations.iter().filter(|operation| !operation.planned) {
        let name = operation.ident();
        let (slice, function) = (format_ident!("{}", operation.tag), &operation.function);
        let doc = format!(" `{} {}`: {}", operation.method, operation.path, operation.summary);
        let arguments = arguments(operation)?;
        let signature = arguments.iter().map(|(name, ty)| quote!(#name: #ty));
        let signature = quote!(#(#signature),*);
        let names = arguments.iter().map(|(name, _)| name);
        let answer = answer(operation);
        methods.push(quote! {
            #[doc = #doc]
            fn #name(&self, #signature) -> impl Future<Output = Result<#answer, Error>> + Send;
        });
        delegations.push(quote! {
            async fn #name(&self, #signature) -> Result<#answer, Error> {
                crate::operations::#slice::#function(self, #(#names),*).await
            }
        });
    }
    print(quote! {
        #![allow(unused_imports, clippy::manual_async_fn)]
        use crate::app::App;
        use crate::audit::Recorded;
        use crate::caller::{AgentCaller, AnyCaller, Found, OkOrCreated, OperatorCaller, Unread, UserCaller, Visitor, lookup};
        use crate::error::Error;
        use keepward_api::{params, types};
        use std::future::Future;

        /// One method an operation that works; the first argument is who may call it, and there is no other way to get one.
        pub(crate) trait Operations: Send + Sync + 'static { #(#methods)* }

        /// Operation id `vault_get` is function `get` of slice `vaults`.
        impl Operations for App { #(#delegations)* }
    })
}

pub(crate) fn layer(operations: &[Operation]) -> Result<String> {
    let mut metas = Vec::new();
    let mut functions = Vec::new();
    for operation in operations {
        metas.push(meta(operation)?);
        if !operation.planned {
            functions.push(function(operation)?);
        }
    }
    let arms = arms(operations);
    print(quote! {
        #![allow(unused_imports, unused_variables, clippy::all)]
        use super::operations::Operations;
        use crate::app::App;
        use crate::caller::{AgentCaller, AnyCaller, CallerKind, OperatorCaller, Role, UserCaller, lookup};
        use crate::error::Result;
        use crate::http::pipeline::{self, OperationMeta, Rate, Routed};
        use crate::http::reply::{self, Reply};
        use crate::http::request::Incoming;
        use futures_util::future::BoxFuture;
        use keepward_api::{params, types};

        #(#metas)*

        #(#functions)*

        /// Routes the undecoded segments of a path below the optional `/api`; literals before variables before the wildcard.
        pub(crate) fn route(method: &str, segments: &[&str]) -> Routed {
            match segments {
                #(#arms,)*
                _ => Routed::Unknown,
            }
        }
    })
}

fn option<T: ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(Some(#value)),
        None => quote!(None),
    }
}

fn meta(operation: &Operation) -> Result<TokenStream> {
    let constant = operation.constant();
    let (id, method, path, planned) = (&operation.id, &operation.method, &operation.path, operation.planned);
    let max_body = usize::try_from(operation.max_body)?;
    let cache = operation.max_age.map_or("no-store".to_owned(), |seconds| format!("public, max-age={seconds}"));
    let aliases = operation.aliases.iter().map(|(alias, name)| quote!((#alias, #name)));
    let refuses = operation.refuses.iter().map(|(name, words)| quote!((#name, &[#(#words),*])));
    let steps = match planned {
        true => quote!(pipeline::planned),
        false => operation.ident().to_token_stream(),
    };
    let kind = format_ident!("{}", heck::ToPascalCase::to_pascal_case(operation.caller.as_str()));
    let role = operation.min_role.as_ref().map(|role| {
        let role = format_ident!("{}", heck::ToPascalCase::to_pascal_case(role.as_str()));
        quote!(Role::#role)
    });
    let role = option(role);
    let intents = match operation.requires.as_deref() {
        None => false,
        Some("intents") => true,
        Some(other) => bail!("x-requires {other}"),
    };
    let audit = option(operation.audit.as_ref());
    let refusal = &operation.refusal;
    let rate = match operation.rate.as_deref() {
        None => quote!(Rate::Principal),
        Some("auth") => quote!(Rate::Authentication),
        Some("key") => quote!(Rate::Key),
        Some("none") => quote!(Rate::Never),
        Some(other) => bail!("x-rate {other}"),
    };
    Ok(quote! {
        pub(crate) static #constant: OperationMeta = OperationMeta {
            id: #id, method: #method, path: #path, caller: CallerKind::#kind, min_role: #role, requires_intents: #intents,
            audit: #audit, refusal: #refusal, rate: #rate, planned: #planned, max_body: #max_body, cache: #cache, aliases: &[#(#aliases),*], refuses: &[#(#refuses),*], steps: #steps,
        };
    })
}

/// The steps of an operation that works.
fn function(operation: &Operation) -> Result<TokenStream> {
    let (name, caller) = (operation.ident(), caller(operation)?);
    let variables: Vec<&String> = operation
        .segments
        .iter()
        .filter_map(|segment| match segment {
            Segment::Variable(name) | Segment::Wildcard(name) => Some(name),
            Segment::Literal(_) => None,
        })
        .collect();
    let params = if operation.parameters.is_empty() {
        quote!(Ok(()))
    } else {
        let ty = operation.params_type();
        let fields = operation.parameters.iter().map(|parameter| {
            let (field, name) = (&parameter.field, &parameter.name);
            match (parameter.place, parameter.required) {
                (Place::Path, _) => {
                    let position = variables.iter().position(|variable| *variable == name).unwrap_or_default();
                    quote!(#field: incoming.path(#name, #position)?)
                }
                (Place::Query, true) => quote!(#field: incoming.query(#name)?),
                (Place::Query, false) => quote!(#field: incoming.query_optional(#name)?),
                (Place::Header, true) => quote!(#field: incoming.header(#name)?),
                (Place::Header, false) => quote!(#field: incoming.header_optional(#name)?),
            }
        });
        quote!((|| Ok(params::#ty { #(#fields),* }))())
    };
    let mut arguments = vec![quote!(caller)];
    let admit = match lookup(operation) {
        None if operation.caller == "public" => {
            quote! { let (caller, params) = pipeline::admit_public(app, meta, incoming, params)?; }
        }
        None => {
            quote! { let (caller, params) = pipeline::admit::<#caller, _>(app, meta, incoming, params).await?; }
        }
        Some(kind) => {
            arguments.push(quote!(found));
            let fields = lookup_fields(operation)?;
            quote! {
                let (caller, found, params) = pipeline::admit_with::<#caller, _, #kind>(
                    app, meta, incoming, params, |params| #kind { #(#fields: params.#fields.clone()),* },
                ).await?;
            }
        }
    };
    if !operation.parameters.is_empty() {
        arguments.push(quote!(params));
    }
    let body = match &operation.body {
        Body::None => None,
        Body::Raw => Some(quote!(incoming.raw_body(meta))),
        Body::Json { required: true, .. } => Some(quote!(incoming.json_body(meta))),
        Body::Json { required: false, .. } => Some(quote!(incoming.optional_json_body(meta))),
    };
    let take_body = body.map(|body| {
        arguments.push(quote!(body));
        quote!(let body = #body;)
    });
    let out = if operation.audit.is_some() { quote!(out.into_inner()) } else { quote!(out) };
    let reply = match (operation.success.as_slice(), &operation.answer) {
        ([], _) => quote!(match out {}),
        ([_, _], _) => quote!(reply::ok_or_created(#out)),
        (_, None) => quote!({ let () = #out; reply::no_content() }),
        ([status, ..], Some(_)) => quote!(reply::json(#status, &#out)),
    };
    Ok(quote! {
        fn #name<'a>(
            app: &'a App, meta: &'static OperationMeta, incoming: &'a mut Incoming,
        ) -> BoxFuture<'a, Result<Reply>> {
            Box::pin(async move {
                let params = #params;
                #admit
                #take_body
                let out = app.#name(#(#arguments),*).await?;
                #reply
            })
        }
    })
}

fn arms(operations: &[Operation]) -> Vec<TokenStream> {
    // Variables of one shape may differ in name between methods; the shape is what routes.
    let mut shapes: BTreeMap<Vec<Segment>, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        let shape = operation.segments.iter().map(|segment| match segment {
            Segment::Variable(_) => Segment::Variable(String::new()),
            Segment::Wildcard(_) => Segment::Wildcard(String::new()),
            literal @ Segment::Literal(_) => literal.clone(),
        });
        shapes.entry(shape.collect()).or_default().push(operation);
    }
    let arm = |(shape, operations): (Vec<Segment>, Vec<&Operation>)| {
        let mut names = Vec::new();
        let mut join = None;
        let patterns: Vec<TokenStream> = shape
            .iter()
            .enumerate()
            .map(|(i, segment)| {
                let variable = format_ident!("s{i}");
                match segment {
                    Segment::Literal(text) => quote!(#text),
                    Segment::Variable(_) => {
                        names.push(quote!((*#variable).to_owned()));
                        quote!(#variable)
                    }
                    Segment::Wildcard(_) => {
                        names.push(quote!(#variable.join("/")));
                        join = Some(variable.clone());
                        quote!(#variable @ ..)
                    }
                }
            })
            .collect();
        let guard = join.map(|variable| quote!(if !#variable.is_empty()));
        let mut allow: BTreeSet<&str> = operations.iter().map(|operation| operation.method.as_str()).collect();
        if allow.contains("GET") {
            allow.insert("HEAD");
        }
        let allow = allow.into_iter().collect::<Vec<_>>().join(", ");
        let methods = operations.iter().map(|operation| {
            let (method, constant) = (&operation.method, operation.constant());
            quote!(#method => Routed::Operation(&#constant, vec![#(#names),*]))
        });
        quote! {
            [#(#patterns),*] #guard => match method {
                #(#methods,)*
                _ => Routed::WrongMethod(#allow),
            }
        }
    };
    shapes.into_iter().map(arm).collect()
}
