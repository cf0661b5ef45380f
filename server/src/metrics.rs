//! What the server counts and measures of itself, for Prometheus. Names and units keep its conventions; labels are words of
//! the document and of this code, never a value that a client chose, so their number is bounded.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    status: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

type Seconds = Family<Operation, Histogram, fn() -> Histogram>;

/// Everything that is measured in this process.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Seconds,
    in_work: Gauge,
    commit_units: Histogram,
    commit_wait_seconds: Histogram,
    commit_seconds: Histogram,
    audit_lag_seconds: Histogram,
    failed_commits: Counter,
    query_seconds: Histogram,
    lookup_asks: Histogram,
    lookup_wait_seconds: Histogram,
    lookup_seconds: Histogram,
    keystore_seconds: Histogram,
    row_macs: Family<Table, Counter>,
    unproven: Family<Action, Counter>,
    ahead_of_clock: Counter,
    last_said_ahead: AtomicU64,
    resident: Gauge,
    cpu_seconds: Counter<f64, AtomicU64>,
    descriptors: Gauge,
}

/// This process's.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// From a tenth of a millisecond to some six seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 17))
}

/// 1 to 256.
fn sizes() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 9))
}

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds as fn() -> Histogram),
            in_work: Gauge::default(),
            commit_units: sizes(),
            commit_wait_seconds: seconds(),
            commit_seconds: seconds(),
            audit_lag_seconds: seconds(),
            failed_commits: Counter::default(),
            query_seconds: seconds(),
            lookup_asks: sizes(),
            lookup_wait_seconds: seconds(),
            lookup_seconds: seconds(),
            keystore_seconds: seconds(),
            row_macs: Family::default(),
            unproven: Family::default(),
            ahead_of_clock: Counter::default(),
            last_said_ahead: AtomicU64::default(),
            resident: Gauge::default(),
            cpu_seconds: Counter::default(),
            descriptors: Gauge::default(),
        };
        let mut all = Registry::default();
        let registry = all.sub_registry_with_prefix("keepward");
        registry.register(
            "http_requests",
            "Requests answered, by operation of the document and status; `none` had no route, or was refused before it had one; 499 was given up by its client",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "From a request's head to its answer, or to its being given up",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register(
            "audit_events_ahead_of_clock",
            "Events of chains whose newest event is more than a minute ahead of the clock, which was set back",
            metrics.ahead_of_clock.clone(),
        );
        registry.register("http_requests_in_work", "Requests that are being answered", metrics.in_work.clone());
        registry.register("commit_units", "Changes and events in one transaction", metrics.commit_units.clone());
        registry.register_with_unit(
            "commit_wait",
            "How long the oldest unit of a transaction waited for it to begin",
            Unit::Seconds,
            metrics.commit_wait_seconds.clone(),
        );
        registry.register_with_unit(
            "commit_duration",
            "A transaction, from BEGIN to COMMIT, with what was run again",
            Unit::Seconds,
            metrics.commit_seconds.clone(),
        );
        registry.register_with_unit(
            "audit_lag",
            "From the oldest event of a transaction to its commit; nothing is answered before",
            Unit::Seconds,
            metrics.audit_lag_seconds.clone(),
        );
        registry.register("commit_failures", "Transactions that were not committed", metrics.failed_commits.clone());
        registry.register_with_unit(
            "query_duration",
            "A statement of the readers: lists, keys, audit queries",
            Unit::Seconds,
            metrics.query_seconds.clone(),
        );
        registry.register("lookup_asks", "Requests whose lookup went into one statement", metrics.lookup_asks.clone());
        registry.register_with_unit(
            "lookup_wait",
            "How long the oldest lookup of a statement waited for it",
            Unit::Seconds,
            metrics.lookup_wait_seconds.clone(),
        );
        registry.register_with_unit(
            "lookup_duration",
            "A statement of lookups",
            Unit::Seconds,
            metrics.lookup_seconds.clone(),
        );
        registry.register_with_unit(
            "keystore_duration",
            "A call of the keystore",
            Unit::Seconds,
            metrics.keystore_seconds.clone(),
        );
        registry.register(
            "row_mac_failures",
            "Rows with authority whose MAC was wrong, by table",
            metrics.row_macs.clone(),
        );
        registry.register(
            "unproven_refusals",
            "Refusals before a credential was proven, by action",
            metrics.unproven.clone(),
        );
        // What every program's are called.
        let process = all.sub_registry_with_prefix("process");
        process.register_with_unit("resident_memory", "Resident memory", Unit::Bytes, metrics.resident.clone());
        process.register_with_unit(
            "cpu",
            "Processor time used since the start",
            Unit::Seconds,
            metrics.cpu_seconds.clone(),
        );
        process.register("open_fds", "Open file descriptors", metrics.descriptors.clone());
        let started = Gauge::<f64, AtomicU64>::default();
        process.register_with_unit("start_time", "When it began, since 1970", Unit::Seconds, started.clone());
        started.set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
        metrics.registry = all;
        // What should stay at nought is shown at nought, not missing until it happens.
        for table in ["organisation", "users", "api_key", "agent", "vault", "policy"] {
            let _ = metrics.row_macs.get_or_create(&Table { table });
        }
        let _ = metrics.unproven.get_or_create(&Action { action: "auth.failure" });
        metrics
    }

    /// A request was answered or given up; `operation` is `None` where there was no route.
    pub fn request(&self, operation: Option<&'static str>, status: u16, took: Duration) {
        let operation = operation.unwrap_or("none");
        self.requests.get_or_create(&Request { operation, status: status.into() }).inc();
        self.request_seconds.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }

    /// A request is in work until this is dropped.
    pub fn work(&self) -> Working<'_> {
        self.in_work.inc();
        Working(&self.in_work)
    }

    /// A transaction of so many units ended.
    pub fn transaction(&self, units: usize, waited: Duration, took: Duration, committed: bool) {
        self.commit_units.observe(count(units));
        self.commit_wait_seconds.observe(waited.as_secs_f64());
        self.commit_seconds.observe(took.as_secs_f64());
        match committed {
            true => self.audit_lag_seconds.observe((waited + took).as_secs_f64()),
            false => {
                self.failed_commits.inc();
            }
        }
    }

    /// A reader's statement ended.
    pub fn query(&self, took: Duration) {
        self.query_seconds.observe(took.as_secs_f64());
    }

    /// A statement of so many lookups ended.
    pub fn lookups(&self, asks: usize, waited: Duration, took: Duration) {
        self.lookup_asks.observe(count(asks));
        self.lookup_wait_seconds.observe(waited.as_secs_f64());
        self.lookup_seconds.observe(took.as_secs_f64());
    }

    /// The keystore was called.
    pub fn keystore(&self, took: Duration) {
        self.keystore_seconds.observe(took.as_secs_f64());
    }

    /// A row was not as this server wrote it.
    pub fn row_mac_failure(&self, table: &'static str) {
        self.row_macs.get_or_create(&Table { table }).inc();
    }

    /// An event of a chain that is ahead of the clock by so much; one line of the log a minute.
    pub fn ahead_of_clock(&self, chain: uuid::Uuid, by: Duration) {
        self.ahead_of_clock.inc();
        let minute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
        if self.last_said_ahead.swap(minute, Ordering::Relaxed) != minute {
            tracing::warn!(organisation = %chain, seconds = by.as_secs(), "an audit chain is ahead of the clock: was it set back?");
        }
    }

    /// A key, token or password was wrong.
    pub fn unproven_refusal(&self, action: &'static str) {
        self.unproven.get_or_create(&Action { action }).inc();
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// None that is known; the encoder writes to memory.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        self.look_at_process();
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Figures of the process, where the system tells them.
    fn look_at_process(&self) {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        if let Some(pages) = pages.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok()) {
            self.resident.set(pages.saturating_mul(i64::try_from(rustix::param::page_size()).unwrap_or(4096)));
        }
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // After the name in parentheses: user and system time are the 12th and 13th, in ticks.
        let ticks = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').skip(11).take(2));
        let ticks: f64 = ticks.into_iter().flatten().filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        #[expect(clippy::cast_precision_loss, reason = "some hundred a second")]
        let seconds = ticks / rustix::param::clock_ticks_per_second() as f64;
        // The kernel counts; a counter is kept as the bits of a number.
        self.cpu_seconds.inner().store(seconds.to_bits(), Ordering::Relaxed);
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.descriptors.set(i64::try_from(descriptors).unwrap_or(i64::MAX));
    }
}

/// A request in work.
pub struct Working<'a>(&'a Gauge);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
fn count(number: usize) -> f64 {
    number as f64
}
