use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Who PostgreSQL runs as where the tests are root, whom it refuses.
const USER: &str = "postgres";

/// A PostgreSQL of a test's own, on a free port of the loopback address; gone when dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
}

/// Whether what was acknowledged has to survive a crash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Full,
    /// Fast, and refused by a server that is not told to put up with it.
    None,
}

/// One of PostgreSQL's programs: on the path, or where Debian puts it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.filter_map(|version| Some(version.ok()?.path().join("bin"))));
    }
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("PostgreSQL's {name} is not there: install the package postgresql"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Where the tests are root, whom PostgreSQL refuses.
fn give_to_user(folder: &Path) {
    if is_root() {
        let owned = Command::new("chown").arg(USER).arg(folder).status().unwrap();
        assert!(owned.success(), "chown {USER}");
    }
}

impl Cluster {
    pub fn start(durability: Durability) -> Self {
        Self::start_in(&std::env::temp_dir(), durability)
    }

    /// The same, its data below a folder.
    pub fn start_in(parent: &Path, durability: Durability) -> Self {
        let folder = tempfile::Builder::new().prefix("kw-pg-").tempdir_in(parent).unwrap();
        give_to_user(folder.path());
        let mut cluster = Self { folder, port: 0 };
        // A locale whose order is not that of bytes, as many real ones are.
        let locale = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
        cluster
            .run("initdb", &[&["-D", &cluster.data(), "-U", "app", "-A", "trust", "--no-sync"][..], &locale].concat());
        let flag = if durability == Durability::Full { "on" } else { "off" };
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = {flag}\nfull_page_writes = {flag}\nsynchronous_commit = {flag}\nmax_connections = 400\n",
            cluster.folder.path().display()
        );
        cluster.add_settings(&settings);
        cluster.restart();
        cluster
    }

    /// A standby of a running primary, which it follows from now on; the primary then acknowledges nothing that the standby
    /// does not have.
    pub fn standby_of(primary: &Self) -> Self {
        let folder = tempfile::Builder::new().prefix("kw-pg-").tempdir().unwrap();
        give_to_user(folder.path());
        let mut standby = Self { folder, port: 0 };
        let source = format!("host=127.0.0.1 port={} user=app application_name=standby", primary.port);
        standby.run("pg_basebackup", &["-D", &standby.data(), "-d", &source, "-R", "-X", "stream", "-c", "fast"]);
        standby.add_settings(&format!("unix_socket_directories = '{}'\n", standby.folder.path().display()));
        standby.restart();
        primary.add_settings("synchronous_standby_names = 'standby'\n");
        primary.reload();
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-t", "60", "promote"]);
    }

    /// Starts one that was stopped as a standby of nobody: it answers reads, and is behind for ever.
    pub fn restart_as_standby(&mut self) {
        let signal = Path::new(&self.data()).join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        give_to_user(&signal);
        self.restart();
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its data is.
    pub fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// From its next start on it takes connections by TLS only, with this certificate and key in PEM.
    pub fn require_tls(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let file = Path::new(&self.data()).join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            give_to_user(&file);
        }
        let access = Path::new(&self.data()).join("pg_hba.conf");
        std::fs::write(access, "hostssl all all 127.0.0.1/32 trust\n").unwrap();
        self.add_settings("ssl = on\n");
    }

    /// Appends to its settings, for the next start.
    pub fn add_settings(&self, settings: &str) {
        let file = Path::new(&self.data()).join("postgresql.conf");
        let text = std::fs::read_to_string(&file).unwrap() + settings;
        std::fs::write(file, text).unwrap();
    }

    /// Takes over added settings, as far as that needs no restart.
    pub fn reload(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "reload"]);
    }

    /// Starts it (again): on the port that it had, or, the first time, on a free one.
    pub fn restart(&mut self) {
        let is_first = self.port == 0;
        let bound = Instant::now() + Duration::from_secs(30);
        while Instant::now() < bound {
            if is_first {
                self.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            }
            let log = self.folder.path().join("log").display().to_string();
            let options = format!("-p {}", self.port);
            if self.call("pg_ctl", &["-D", &self.data(), "-l", &log, "-w", "-t", "60", "-o", &options, "start"]) {
                return;
            }
            // Somebody else may have taken the port since; or what was killed is not all gone yet.
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("PostgreSQL does not start: {}", self.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The process of the postmaster.
    pub fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(Path::new(&self.data()).join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    /// `kill -9` of all its processes.
    pub fn kill(&self) {
        let pids = self.pids();
        // Some may have ended by themselves.
        let _ = Command::new("kill").arg("-KILL").args(&pids).stderr(Stdio::null()).status();
        // A child that is younger than the list ends when it notices; a new start waits for it, and for nobody else.
        while pids.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The postmaster, and the processes that it has started.
    fn pids(&self) -> Vec<String> {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        [pid.to_string()].into_iter().chain(children.split_whitespace().map(str::to_owned)).collect()
    }

    /// Stops all its processes where they are until the answer is dropped, as a machine that hangs does: connections stay,
    /// and nobody answers.
    pub fn pause(&self) -> Paused {
        let paused = Paused { pids: self.pids() };
        paused.signal("-STOP");
        paused
    }

    /// Stops it as `pg_ctl` does: `smart`, `fast` or `immediate`.
    pub fn stop(&self, mode: &str) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", mode, "-w", "-t", "60", "stop"]);
    }

    /// Whether it runs: a disk that is full makes it stop.
    pub fn is_running(&self) -> bool {
        self.call("pg_ctl", &["-D", &self.data(), "status"])
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://app@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database and answers its address.
    pub fn create(&self, database: &str) -> String {
        assert!(create_database(&self.url(""), database, None), "createdb {database}");
        self.url(database)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.call(program, arguments), "{program} {arguments:?}: {}", self.log());
    }

    fn call(&self, name: &str, arguments: &[&str]) -> bool {
        let program = program(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", USER, "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        // A server that is started keeps no pipe of ours open.
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.call("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

/// See [`Cluster::pause`].
pub struct Paused {
    pids: Vec<String>,
}

impl Paused {
    /// One process, until the answer is dropped.
    pub fn process(pid: u32) -> Self {
        let paused = Self { pids: vec![pid.to_string()] };
        paused.signal("-STOP");
        paused
    }

    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").arg(signal).args(&self.pids).status();
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// Makes a database in the cluster of an address that ends with `/`: an empty one, or like a template; false if it is there.
pub fn create_database(cluster: &str, database: &str, template: Option<&str>) -> bool {
    let template = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
    run_sql(&format!("{cluster}postgres"), &format!("CREATE DATABASE {database}{template}"))
}

/// Runs statements on a database of PostgreSQL; whether they passed.
pub(crate) fn run_sql(url: &str, sql: &str) -> bool {
    let mut command = Command::new(program("psql"));
    command.args(["-q", "-d", url, "-c", sql]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}
