//! `sdk-rust/src/resources.rs`: what a Rust programmer calls. A struct a resource; what is required is an argument, what is
//! optional is set on the request before it is awaited.

use super::print;
use super::surface::{Argument, Destination, Method, Resource};
use crate::model::{Body, Pages, Place};
use anyhow::{Context, Result};
use heck::ToPascalCase;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::Index;

pub(super) fn generate(resources: &[Resource<'_>]) -> Result<String> {
    let accessors = resources.iter().map(|resource| {
        let (name, ty, doc) = (format_ident!("{}", resource.name), type_of(resource), format!(" {}", resource.doc));
        quote!(#[doc = #doc] pub fn #name(&self) -> #ty<'_> { #ty(self) })
    });
    let structs = resources.iter().map(|resource| {
        let (ty, doc) = (type_of(resource), format!(" {}", resource.doc));
        quote!(#[doc = #doc] #[derive(Clone, Copy, Debug)] pub struct #ty<'a>(&'a Client);)
    });
    let methods = resources.iter().map(|resource| {
        let ty = type_of(resource);
        let methods = resource.methods.iter().map(method).collect::<Result<Vec<_>>>()?;
        Ok(quote!(impl<'a> #ty<'a> { #(#methods)* }))
    });
    let methods = methods.collect::<Result<Vec<_>>>()?;
    let requests = resources.iter().flat_map(|resource| &resource.methods).filter(|method| has_options(method));
    let requests = requests.map(request).collect::<Result<Vec<_>>>()?;
    print(quote! {
        use crate::call::{Call, change};
        use crate::pages::{List, Pages};
        use crate::{Client, Error, Result};
        use futures_util::Stream;
        impl Client { #(#accessors)* }
        #(#structs)*
        #(#methods)*
        #(#requests)*
    })
}

fn type_of(resource: &Resource<'_>) -> Ident {
    format_ident!("{}", resource.name.to_pascal_case())
}

fn has_options(method: &Method<'_>) -> bool {
    method.optional().next().is_some()
}

/// The type of a request with options.
fn request_type(method: &Method<'_>) -> Ident {
    format_ident!("{}", method.operation.id.to_pascal_case())
}

fn answer(method: &Method<'_>) -> TokenStream {
    match method.answer.map(|name| format_ident!("{}", name.to_pascal_case())) {
        Some(name) => quote!(crate::types::#name),
        None => quote!(()),
    }
}

fn docs(method: &Method<'_>) -> TokenStream {
    let operation = method.operation;
    let mut lines = vec![format!(" {}", sentence(&operation.summary))];
    if !operation.description.is_empty() {
        lines.extend([String::new(), format!(" {}", operation.description)]);
    }
    let described: Vec<String> = method
        .required()
        .filter(|argument| !argument.doc.is_empty())
        .map(|argument| format!(" - `{}`: {}", argument.field, argument.doc))
        .collect();
    if !described.is_empty() {
        lines.push(String::new());
        lines.extend(described);
    }
    lines.extend([String::new(), format!(" `{} {}`", operation.method, operation.path)]);
    if operation.planned {
        lines.extend([String::new(), " This version of the server answers 501.".to_owned()]);
    }
    quote!(#(#[doc = #lines])*)
}

pub(super) fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// The parameters' types, then the body's.
fn parts(method: &Method<'_>) -> Vec<TokenStream> {
    let parameters = method.arguments.iter().filter(|argument| argument.destination != Destination::Field);
    let mut parts: Vec<_> = parameters
        .map(|argument| {
            let ty = &argument.ty;
            if argument.is_option { quote!(Option<#ty>) } else { quote!(#ty) }
        })
        .collect();
    if let Body::Json { ty, .. } = &method.operation.body {
        parts.push(quote!(crate::#ty));
    }
    parts
}

/// Where an argument is within the parts.
fn place(method: &Method<'_>, argument: &Argument) -> Result<TokenStream> {
    if argument.destination == Destination::Field {
        let (body, field) = (Index::from(parts(method).len() - 1), &argument.field);
        return Ok(quote!(#body.#field));
    }
    let mut parameters = method.arguments.iter().filter(|other| other.destination != Destination::Field);
    let position = parameters.position(|other| other.name == argument.name).context("an argument among its own")?;
    let position = Index::from(position);
    Ok(quote!(#position))
}

fn method(method: &Method<'_>) -> Result<TokenStream> {
    let (name, docs, answer) = (method.name(), docs(method), answer(method));
    let generics: Vec<Ident> =
        method.required().map(|a| format_ident!("{}", a.field.to_string().to_pascal_case())).collect();
    let arguments = method.required().zip(&generics).map(|(argument, generic)| {
        let field = &argument.field;
        quote!(#field: #generic)
    });
    let bounds = method.required().zip(&generics).map(|(argument, generic)| {
        let ty = &argument.ty;
        quote!(#generic: TryInto<#ty>, Error: From<<#generic as TryInto<#ty>>::Error>)
    });
    // The conversions, in the order of the arguments; then everything at its place.
    let converted = method.required().map(|argument| {
        let (field, ty) = (&argument.field, &argument.ty);
        let is_segment = argument.destination == Destination::Parameter(Place::Path) && ty.to_string() == "String";
        let check = is_segment.then(|| quote!(crate::call::check_segment(&#field)?;));
        quote!(let #field: #ty = #field.try_into()?; #check)
    });
    let initial = |argument: &Argument| {
        let field = &argument.field;
        match (argument.required, argument.is_option) {
            (true, true) => quote!(Some(#field)),
            (true, false) => quote!(#field),
            (false, _) => quote!(Default::default()),
        }
    };
    let parameters = method.arguments.iter().filter(|argument| argument.destination != Destination::Field);
    let mut values: Vec<_> = parameters.map(initial).collect();
    if let Body::Json { ty, .. } = &method.operation.body {
        let fields =
            method.arguments.iter().filter(|argument| argument.destination == Destination::Field).map(|argument| {
                let (field, value) = (&argument.field, initial(argument));
                quote!(#field: #value)
            });
        values.push(quote!(crate::#ty { #(#fields),* }));
    }
    let request = quote!((|| { #(#converted)* Ok((#(#values,)*)) })());
    let (returned, body) = if has_options(method) {
        let ty = request_type(method);
        (quote!(#ty<'a>), quote!(#ty { client: self.0, request: #request }))
    } else {
        let send = send(method)?;
        (quote!(Call<'a, #answer>), quote!(let client = self.0; let request: Result<_> = #request; #send))
    };
    Ok(quote! {
        #docs
        pub fn #name<#(#generics),*>(&self, #(#arguments),*) -> #returned where #(#bounds),* { #body }
    })
}

/// From `client` and `request` to the call.
fn send(method: &Method<'_>) -> Result<TokenStream> {
    let operation = method.operation.ident();
    let mut calls = Vec::new();
    for argument in method.arguments.iter().filter(|argument| argument.destination != Destination::Field) {
        let (field, place) = (&argument.field, place(method, argument)?);
        let text = argument.is_secret().then(|| quote!(.expose().to_owned()));
        calls.push(match argument.is_option {
            true => quote!(if let Some(value) = request.#place { call = call.#field(value #text); }),
            false => quote!(call = call.#field(request.#place #text);),
        });
    }
    if matches!(method.operation.body, Body::Json { .. }) {
        let body = Index::from(parts(method).len() - 1);
        calls.push(quote!(call = call.body(request.#body);));
    }
    let request = if calls.is_empty() { quote!(()) } else { quote!(request) };
    let mutable = if calls.is_empty() { quote!() } else { quote!(mut) };
    let nothing = if method.answer.is_none() { quote!(.map(drop)) } else { quote!() };
    Ok(quote! {
        Call::new(request, move |#request: _| async move {
            let #mutable call = client.api().#operation();
            #(#calls)*
            client.send(call.send()).await #nothing
        })
    })
}

/// The type of a request with options, with a method for each.
fn request(method: &Method<'_>) -> Result<TokenStream> {
    let (ty, answer, parts, send) = (request_type(method), answer(method), parts(method), send(method)?);
    let doc = format!(
        " A request that can still be changed; awaiting it sends it. `{} {}`",
        method.operation.method, method.operation.path
    );
    let setters = method.optional().map(|argument| {
        let (field, ty, place) = (&argument.field, &argument.ty, place(method, argument)?);
        let doc =
            if argument.doc.is_empty() { format!(" Sets `{}`.", argument.name) } else { format!(" {}", argument.doc) };
        let value = match (argument.clears, argument.is_option) {
            (true, _) => quote!(Some(Some(value))),
            (false, true) => quote!(Some(value)),
            (false, false) => quote!(value),
        };
        let clear = argument.clears.then(|| {
            let (name, doc) = (format_ident!("clear_{}", argument.field), format!(" Clears `{}`.", argument.name));
            quote! {
                #[doc = #doc]
                pub fn #name(mut self) -> Self {
                    if let Ok(request) = &mut self.request { request.#place = Some(None); }
                    self
                }
            }
        });
        Ok(quote! {
            #[doc = #doc]
            pub fn #field<Value>(mut self, value: Value) -> Self
            where Value: TryInto<#ty>, Error: From<Value::Error>
            {
                change(&mut self.request, value, |request, value: #ty| request.#place = #value);
                self
            }
            #clear
        })
    });
    let setters = setters.collect::<Result<Vec<_>>>()?;
    let pages = method.operation.pages.as_ref().map(|list| pages(method, list)).transpose()?;
    Ok(quote! {
        #[doc = #doc]
        #[derive(Debug)]
        #[must_use = "a request is sent when it is awaited"]
        pub struct #ty<'a> { client: &'a Client, request: Result<(#(#parts,)*)> }
        impl<'a> #ty<'a> {
            #(#setters)*
            /// [`Call::wait`] of this request.
            #[cfg(feature = "blocking")]
            pub fn wait(self) -> Result<#answer> { self.into_future().wait() }
            #pages
        }
        impl<'a> IntoFuture for #ty<'a> {
            type Output = Result<#answer>;
            type IntoFuture = Call<'a, #answer>;
            fn into_future(self) -> Self::IntoFuture {
                let Self { client, request } = self;
                #send
            }
        }
    })
}

/// Every item of a list that is answered in pages.
fn pages(method: &Method<'_>, pages: &Pages) -> Result<TokenStream> {
    let (items, item) = (&pages.items, format_ident!("{}", pages.item.to_pascal_case()));
    let by = method.arguments.iter().find(|argument| pages.by == argument.name).context("the parameter of x-pages")?;
    let (place, counts_items) = (place(method, by)?, pages.counts_items);
    let (parts, answer) = (parts(method), answer(method));
    Ok(quote! {
        /// The items of this page and of all that follow; each page is asked for when the one before it is used up.
        ///
        /// What is added meanwhile moves others to the next page: they are not given twice, as long as what was added
        /// fills no whole page.
        pub fn stream(self) -> impl Stream<Item = Result<crate::types::#item>> + Send + 'a {
            self.pages().stream()
        }

        /// The same as [`Self::stream`], for a program without an asynchronous runtime; see [`Call::wait`].
        #[cfg(feature = "blocking")]
        pub fn iter(self) -> impl Iterator<Item = Result<crate::types::#item>> + 'a {
            self.pages().iter()
        }

        pub(crate) fn pages(self) -> Pages<'a, (#(#parts,)*), #answer, crate::types::#item> {
            let list = List {
                send: |client, request| Self { client, request: Ok(request) }.into_future(),
                items: |answer| answer.#items,
                id: |item| item.id.as_ref().map(ToString::to_string),
                place: |request| &mut request.#place,
                counts_items: #counts_items,
            };
            Pages::new(self.client, self.request, list)
        }
    })
}
