//! Calls that asyncio waits for. No thread of Rust ever enters the interpreter, which may be ending: what is done is put aside,
//! a byte in a pipe wakes the event loop, and the loop takes it from here.

use crate::answer;
use crate::arguments;
use crate::connection::Connection;
use crate::failure::exception;
use keepward::dynamic::{self, Data, Failure};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// What is done, by the number of its call.
type Done = Vec<(u64, Result<Data, Failure>)>;
/// An answer and no exception, or the other way round.
type Delivered<'py> = (u64, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

/// The calls of one event loop.
#[pyclass(frozen, module = "keepward")]
pub(crate) struct Background {
    ear: UnixStream,
    shared: Arc<Shared>,
    running: Mutex<(u64, HashMap<u64, AbortHandle>)>,
}

struct Shared {
    done: Mutex<Done>,
    bell: UnixStream,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime of this process. A fork takes no threads along, so that a child makes one of its own; the parent's is left
/// alone there.
fn runtime() -> PyResult<&'static Runtime> {
    static RUNTIME: Mutex<Option<(u32, &Runtime)>> = Mutex::new(None);
    let (process, mut known) = (std::process::id(), locked(&RUNTIME));
    match *known {
        Some((of, runtime)) if of == process => Ok(runtime),
        _ => {
            let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("keepward").enable_all().build()?;
            Ok(known.insert((process, Box::leak(Box::new(runtime)))).1)
        }
    }
}

#[pymethods]
impl Background {
    #[new]
    fn new() -> PyResult<Self> {
        let (ear, bell) = UnixStream::pair()?;
        ear.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        let shared = Arc::new(Shared { done: Mutex::default(), bell });
        Ok(Self { ear, shared, running: Mutex::default() })
    }

    /// What the event loop listens to.
    fn fileno(&self) -> i32 {
        self.ear.as_raw_fd()
    }

    /// Begins a call, and answers its number.
    fn start(&self, connection: &Connection, operation: String, arguments: &Bound<'_, PyDict>) -> PyResult<u64> {
        let client = connection.client()?;
        let arguments = arguments::named(arguments)?;
        let shared = Arc::clone(&self.shared);
        let mut running = locked(&self.running);
        running.0 += 1;
        let id = running.0;
        let call = runtime()?.spawn(async move {
            let answered = dynamic::call(&client, &operation, arguments).await;
            locked(&shared.done).push((id, answered));
            // A pipe that is full wakes the loop, too.
            let _ = (&shared.bell).write(&[0]);
        });
        running.1.insert(id, call.abort_handle());
        Ok(id)
    }

    /// Ends a call.
    fn cancel(&self, id: u64) {
        if let Some(call) = locked(&self.running).1.remove(&id) {
            call.abort();
        }
    }

    /// What is done since the last time.
    fn finished<'py>(&self, py: Python<'py>) -> PyResult<Vec<Delivered<'py>>> {
        let mut bytes = [0; 256];
        loop {
            match (&self.ear).read(&mut bytes) {
                Ok(count) if count == bytes.len() => {}
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(PyRuntimeError::new_err(error.to_string())),
            }
        }
        let done = std::mem::take(&mut *locked(&self.shared.done));
        let mut running = locked(&self.running);
        let delivered = done.into_iter().map(|(id, answered)| {
            running.1.remove(&id);
            let outcome = answered.map_err(|failure| exception(py, failure)).and_then(|data| answer::python(py, data));
            match outcome {
                Ok(answer) => (id, Some(answer), None),
                Err(error) => (id, None, Some(error.into_value(py).into_bound(py).into_any())),
            }
        });
        Ok(delivered.collect())
    }
}
