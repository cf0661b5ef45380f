//! What a client holds.

use crate::answer::{self, Hide};
use crate::failure::Fault;
use keepward::dynamic::{self, Arguments, Failure};
use keepward::{Client, Error};
use napi::bindgen_prelude::{Function, JavaScriptClassExt, Object, PromiseRaw, Unknown};
use napi::{Env, Result};
use napi_derive::napi;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// See `KeepwardOptions`; times in milliseconds.
#[napi(object)]
pub struct Options {
    pub base_url: Option<String>,
    pub agent_key: Option<String>,
    pub user_key: Option<String>,
    pub token: Option<String>,
    pub email: Option<String>,
    pub password: Option<String>,
    pub timeout: Option<f64>,
    pub connect_timeout: Option<f64>,
    pub max_retries: Option<u32>,
    pub root_certificate: Option<String>,
}

/// Calls under way, by the number that JavaScript gave them.
type Calls = Arc<Mutex<HashMap<u32, oneshot::Sender<()>>>>;

/// A client of one server.
#[napi]
pub struct Connection {
    client: Mutex<Option<Client>>,
    calls: Calls,
    hide: Arc<Hide>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn duration(milliseconds: f64) -> keepward::Result<Duration> {
    match Duration::try_from_secs_f64(milliseconds / 1000.0) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(Error::Configuration("a time-out is a positive number of milliseconds".to_owned())),
    }
}

fn client(options: Options) -> keepward::Result<Client> {
    let mut builder = Client::builder();
    if let Some(url) = options.base_url {
        builder = builder.base_url(url);
    }
    if let Some(key) = options.agent_key {
        builder = builder.agent_key(key);
    }
    if let Some(key) = options.user_key {
        builder = builder.user_key(key);
    }
    if let Some(token) = options.token {
        builder = builder.token(token);
    }
    builder = match (options.email, options.password) {
        (Some(email), Some(password)) => builder.password(email, password),
        (None, None) => builder,
        _ => return Err(Error::Configuration("email and password go together".to_owned())),
    };
    if let Some(timeout) = options.timeout {
        builder = builder.timeout(duration(timeout)?);
    }
    if let Some(timeout) = options.connect_timeout {
        builder = builder.connect_timeout(duration(timeout)?);
    }
    if let Some(count) = options.max_retries {
        builder = builder.max_retries(count);
    }
    if let Some(pem) = options.root_certificate {
        builder = builder.root_certificate(pem);
    }
    builder.build()
}

/// `{ connection }`, or `{ failure }` that says what is wrong with the options.
#[napi]
pub fn connect<'env>(
    env: &'env Env,
    options: Options,
    hide: Function<'env, String, Unknown<'static>>,
) -> Result<Object<'env>> {
    let mut made = Object::new(env)?;
    match client(options) {
        Ok(client) => {
            let connection = Connection {
                client: Mutex::new(Some(client)),
                calls: Calls::default(),
                hide: hide.create_ref()?.into(),
            };
            made.set("connection", connection.into_instance(env)?)?;
        }
        Err(error) => made.set("failure", Fault::from(error))?,
    }
    Ok(made)
}

#[napi]
impl Connection {
    /// Calls an operation; arguments are JSON. The promise is `{ value }` or `{ failure }`.
    #[napi]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        id: u32,
        operation: String,
        arguments: String,
        secrets: Vec<String>,
    ) -> Result<PromiseRaw<'env, Object<'env>>> {
        let client = locked(&self.client).clone();
        let (cancel, cancelled) = oneshot::channel();
        locked(&self.calls).insert(id, cancel);
        let (calls, hide) = (Arc::clone(&self.calls), Arc::clone(&self.hide));
        let called = async move {
            let Some(client) = client else { return Err(Fault::new("closed", "this client is closed")) };
            let arguments = serde_json::from_str(&arguments)
                .map_err(|_| Fault::new("value", "an argument is not valid Unicode, or is nested too deeply"))?;
            dynamic::call(&client, &operation, Arguments::new(arguments, secrets)).await.map_err(Failure::into)
        };
        let outcome = async move {
            let outcome = tokio::select! {
                outcome = called => outcome,
                // Dropping the call ends it.
                _ = cancelled => Err(Fault::new("timeout", "the call was aborted")),
            };
            locked(&calls).remove(&id);
            Ok(outcome)
        };
        env.spawn_future_with_callback(outcome, move |env, outcome| {
            let mut answered = Object::new(env)?;
            match outcome {
                Ok(data) => answer::put(env, &mut answered, data, &hide)?,
                Err(fault) => answered.set("failure", fault)?,
            }
            Ok(answered)
        })
    }

    /// Ends a call, if it is under way.
    #[napi]
    pub fn cancel(&self, id: u32) {
        if let Some(cancel) = locked(&self.calls).remove(&id) {
            // Whoever is not there any more has its answer.
            let _ = cancel.send(());
        }
    }

    /// Ends its connections; calls that are under way end by themselves.
    #[napi]
    pub fn close(&self) {
        let client = locked(&self.client).take();
        drop(client);
    }
}
