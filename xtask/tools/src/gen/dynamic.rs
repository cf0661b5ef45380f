//! `sdk-rust/src/dynamic/generated.rs`: the methods of the Rust SDK by operation id, for bindings to other languages.

use super::print;
use super::surface::{Destination, Method, Resource};
use anyhow::Result;
use quote::{format_ident, quote};

pub(super) fn generate(resources: &[Resource<'_>]) -> Result<String> {
    let arms = resources.iter().flat_map(|resource| {
        let name = format_ident!("{}", resource.name);
        resource.methods.iter().flat_map(move |method| {
            let pages = method.operation.pages.as_ref().map(|_| arm(&name, method, Answered::InPages));
            std::iter::once(arm(&name, method, Answered::AtOnce)).chain(pages)
        })
    });
    print(quote! {
        use super::{Arguments, Data, Failure, answer, page};
        use crate::Client;

        pub(super) async fn call(client: &Client, operation: &str, mut arguments: Arguments) -> Result<Data, Failure> {
            match operation {
                #(#arms)*
                _ => Err(Failure::no_such_operation()),
            }
        }
    })
}

/// How a list comes: as the operation answers it, or as `OPERATION.pages`, which begins, or goes on with, all of its pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    AtOnce,
    InPages,
}

fn arm(resource: &proc_macro2::Ident, method: &Method<'_>, answered: Answered) -> proc_macro2::TokenStream {
    let (id, name) = (&method.operation.id, method.name());
    let (id, cursor, end) = match answered {
        Answered::AtOnce => (id.clone(), None, quote!(answer(call.into_future()).await)),
        Answered::InPages => (
            format!("{id}.pages"),
            Some(quote!(let cursor = arguments.cursor()?;)),
            quote!(page(call.pages(), cursor).await),
        ),
    };
    let required = method.required().map(|argument| {
        let (name, ty) = (&argument.name, &argument.ty);
        match argument.destination {
            Destination::Raw => quote!(arguments.required::<String>(#name)?.into_bytes()),
            _ => quote!(arguments.required::<#ty>(#name)?),
        }
    });
    let options: Vec<_> = method
        .optional()
        .map(|argument| {
            let (field, name, ty) = (&argument.field, &argument.name, &argument.ty);
            let clear = argument.clears.then(|| {
                let clear = format_ident!("clear_{field}");
                quote!(if arguments.clears(#name) { call = call.#clear(); })
            });
            quote! {
                #clear
                if let Some(value) = arguments.optional::<#ty>(#name)? { call = call.#field(value); }
            }
        })
        .collect();
    let mutable = (!options.is_empty()).then(|| quote!(mut));
    quote! {
        #id => {
            #cursor
            let #mutable call = client.#resource().#name(#(#required),*);
            #(#options)*
            arguments.finish()?;
            #end
        }
    }
}
