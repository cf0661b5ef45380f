//! What a Python client holds.

use crate::failure::exception;
use crate::secret::{Hidden, Secret};
use crate::{answer, arguments};
use keepward::dynamic::{self, Data, Failure};
use keepward::{Client, SecretText};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How long a call waits before it looks whether somebody pressed Ctrl-C.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(100);

/// More repetitions than this are a mistake.
const MAX_RETRIES: u32 = 100;

/// How often the runtime looks at its sockets, and runs what they wake, before a call.
const LOOKS: usize = 4;

/// A call that is under way.
type Called = JoinHandle<Result<Data, Failure>>;

/// A client of one server; without a thread of its own, the thread that waits does the work.
#[pyclass(frozen, module = "keepward")]
pub(crate) struct Connection {
    base_url: String,
    process: u32,
    open: Mutex<Option<Open>>,
}

#[derive(Clone)]
struct Open {
    client: Client,
    runtime: Arc<Runtime>,
}

/// A credential, as text or as what does not print.
fn secret(value: Option<Bound<'_, PyAny>>) -> PyResult<Option<SecretText>> {
    let Some(value) = value else { return Ok(None) };
    if let Ok(secret) = value.cast::<Secret>() {
        return Ok(Some(secret.get().0.clone()));
    }
    // The client hides each of them: what is no `Secret` by now is a text that is none, or no text.
    let is_text =
        value.cast::<Hidden>().is_ok_and(|hidden| hidden.get().0.bind(value.py()).is_instance_of::<PyString>());
    Err(match is_text {
        true => PyValueError::new_err("a credential is not valid Unicode"),
        false => PyTypeError::new_err("a credential is a str or a Secret"),
    })
}

fn duration(seconds: f64) -> PyResult<Duration> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(PyValueError::new_err("a time-out is a positive number of seconds")),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

impl Connection {
    /// The SDK's client, for a call that another thread makes.
    pub(crate) fn client(&self) -> PyResult<Client> {
        Ok(self.open()?.client)
    }

    fn end(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        // After a fork the sockets and what watches them are still the parent's: to close them here would deafen it.
        if self.is_forked() {
            std::mem::forget(open);
        } else if let Some(open) = open {
            release(open.runtime);
        }
    }

    fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    fn open(&self) -> PyResult<Open> {
        if self.is_forked() {
            return Err(forked());
        }
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| PyRuntimeError::new_err("this client is closed"))
    }

    /// Drives a call until it is answered, or a handler of a signal raises.
    fn wait(&self, mut call: Called, runtime: Arc<Runtime>) -> PyResult<Result<Data, Failure>> {
        let answered = loop {
            match runtime.block_on(async { tokio::time::timeout(BETWEEN_SIGNALS, &mut call).await }) {
                Ok(Ok(answered)) => break Ok(answered),
                Ok(Err(broken)) => std::panic::resume_unwind(broken.into_panic()),
                Err(_) => {}
            }
            // Where the interpreter is ending there are no handlers any more, and whoever still waits goes on waiting.
            let handled = Python::try_attach(|py| py.check_signals()).unwrap_or(Ok(()));
            if self.is_forked() {
                // By a handler, in whose child this is: the call is the parent's.
                std::mem::forget((call, runtime));
                return handled.and(Err(forked()));
            }
            if let Err(raised) = handled {
                call.abort();
                // Not before it has ended: its connection is closed then.
                let _ = runtime.block_on(call);
                break Err(raised);
            }
        };
        release(runtime);
        answered
    }
}

/// Lets go of a client's runtime; whoever is the last to do so waits for no name that is being looked up.
fn release(runtime: Arc<Runtime>) {
    if let Some(runtime) = Arc::into_inner(runtime) {
        runtime.shutdown_background();
    }
}

fn forked() -> PyErr {
    PyRuntimeError::new_err("this client was made before a fork: make one in each process")
}

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (*, base_url, agent_key, user_key, token, email, password, timeout, connect_timeout, max_retries, root_certificate))]
    #[expect(clippy::too_many_arguments, reason = "one a keyword")]
    fn new(
        base_url: Option<String>,
        agent_key: Option<Bound<'_, PyAny>>,
        user_key: Option<Bound<'_, PyAny>>,
        token: Option<Bound<'_, PyAny>>,
        email: Option<String>,
        password: Option<Bound<'_, PyAny>>,
        timeout: f64,
        connect_timeout: f64,
        max_retries: &Bound<'_, PyAny>,
        root_certificate: Option<Vec<u8>>,
    ) -> PyResult<Self> {
        let max_retries = match max_retries.extract::<u32>() {
            Ok(count) if count <= MAX_RETRIES => count,
            Err(error) if error.is_instance_of::<PyTypeError>(max_retries.py()) => return Err(error),
            // Less than none, too, or more than any number of this machine.
            _ => return Err(PyValueError::new_err("`max_retries` is 0 to 100")),
        };
        let mut builder = Client::builder().max_retries(max_retries);
        builder = builder.timeout(duration(timeout)?).connect_timeout(duration(connect_timeout)?);
        if let Some(url) = &base_url {
            builder = builder.base_url(url);
        }
        if let Some(key) = secret(agent_key)? {
            builder = builder.agent_key(key);
        }
        if let Some(key) = secret(user_key)? {
            builder = builder.user_key(key);
        }
        if let Some(token) = secret(token)? {
            builder = builder.token(token);
        }
        builder = match (email, secret(password)?) {
            (Some(email), Some(password)) => builder.password(email, password),
            (None, None) => builder,
            _ => return Err(PyValueError::new_err("email and password go together")),
        };
        if let Some(pem) = root_certificate {
            builder = builder.root_certificate(pem);
        }
        let client = builder.build().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let open = Open { client, runtime: runtime.into() };
        let base_url = base_url.unwrap_or_default();
        Ok(Self { base_url, process: std::process::id(), open: Mutex::new(Some(open)) })
    }

    #[getter]
    fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Calls an operation and waits for its answer.
    fn call<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        arguments: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Open { client, runtime } = self.open()?;
        let arguments = arguments::named(arguments)?;
        let operation = operation.to_owned();
        let answered = py.detach(|| {
            // Nobody has looked at idle connections since the last call: those that the server closed are found out first.
            runtime.block_on(async {
                for _ in 0..LOOKS {
                    tokio::task::yield_now().await;
                }
            });
            // A task of the runtime, not this thread's own: a signal's handler may make a call, too, which then drives both.
            let call = runtime.spawn(async move { dynamic::call(&client, &operation, arguments).await });
            self.wait(call, runtime)
        });
        finish(py, answered?)
    }

    /// Ends its connections; calls that are under way end by themselves.
    fn close(&self) {
        self.end();
    }
}

fn finish(py: Python<'_>, answered: Result<Data, Failure>) -> PyResult<Bound<'_, PyAny>> {
    match answered {
        Ok(answer) => answer::python(py, answer),
        Err(failure) => Err(exception(py, failure)),
    }
}
