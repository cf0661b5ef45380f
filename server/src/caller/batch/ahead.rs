//! The lookups that units repeat, read for a whole batch of them.

use super::MAX_ASKS;
use super::rows::{Ask, Query};
use crate::caller::rows::query_on;
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::{Ahead, Connection, Opaque, Transaction};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Reads for the committer what its units start from.
pub struct UnitLookups(pub Arc<Keyring>);

impl Ahead for UnitLookups {
    fn read<'a>(
        &'a self,
        transaction: &'a Transaction,
        asks: Vec<Opaque>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Opaque>>> + Send + 'a>> {
        Box::pin(async move {
            let asks: Option<Vec<Ask>> = asks.into_iter().map(|ask| ask.downcast().ok().map(|ask| *ask)).collect();
            let asks = asks.ok_or_else(|| Error::internal("a question that is none"))?;
            let mut found: Vec<Opaque> = Vec::with_capacity(asks.len());
            for asks in asks.chunks(MAX_ASKS) {
                let query = Query::new(transaction.get_database_backend(), asks);
                let results = query_on(transaction, &query.text, &query.values).await?;
                found.extend(query.answers(&self.0, results)?.into_iter().map(|rows| Box::new(rows) as Opaque));
            }
            Ok(found)
        })
    }
}
