//! Connections on which nothing moves any more. dropshot leaves a connection to hyper, which has a time for the head of an
//! HTTP/1.1 request only: one that never says anything, stops within a TLS handshake or HTTP/2, or never reads its answers
//! would stay open for ever.
//!
//! They are found among the descriptors of the process. No descriptor is duplicated for it: to close a duplicate of SQLite's
//! would drop every lock that this process has on the file (fcntl(2), "Record locks").

use rustix::fs::{Dir, Mode, OFlags};
use rustix::net::{Shutdown, getpeername, getsockname, shutdown};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// No data either way for so long, and a connection ends: longer than clients and proxies keep idle ones, and than a request
/// takes where the database hangs.
const LONGEST: Duration = Duration::from_secs(120);
const BETWEEN: Duration = Duration::from_secs(5);

/// Looks for silent connections until it is dropped.
pub struct Watch(#[expect(dead_code, reason = "its end ends the thread")] Sender<()>);

impl Watch {
    /// Ends the silent connections of those who listen on some addresses.
    pub fn start(addresses: Vec<SocketAddr>) -> io::Result<Self> {
        // Opened once: when there are no descriptors left, there is most to find.
        let folder =
            rustix::fs::open("/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let mut descriptors = folder.and_then(Dir::new)?;
        let (watch, ended) = channel();
        let look = move || {
            while ended.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                match end_silent(&mut descriptors, &addresses, LONGEST) {
                    Ok(0) => {}
                    Ok(ended) => tracing::debug!(ended, "connections on which nothing moved"),
                    Err(error) => tracing::warn!(%error, "silent connections are not found"),
                }
            }
        };
        std::thread::Builder::new().name("silence".to_owned()).spawn(look)?;
        Ok(Self(watch))
    }
}

/// How many it has ended.
fn end_silent(descriptors: &mut Dir, addresses: &[SocketAddr], longest: Duration) -> io::Result<usize> {
    let mut ended = 0;
    descriptors.rewind();
    while let Some(entry) = descriptors.read() {
        let Some(number) = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok()) else { continue };
        ended += usize::from(end_if_silent(number, addresses, longest));
    }
    Ok(ended)
}

fn end_if_silent(number: RawFd, addresses: &[SocketAddr], longest: Duration) -> bool {
    // SAFETY: it is closed by nobody in here and kept by nobody. Whoever owns it may close it meanwhile; then it is no
    // descriptor, or another one, about which the same is asked.
    #[expect(unsafe_code, reason = "a descriptor that dropshot owns, by its number")]
    let socket = unsafe { BorrowedFd::borrow_raw(number) };
    // What listens has no peer, and what is no socket of the internet has no such address.
    let local = getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok());
    let is_at = |local: SocketAddr| addresses.iter().any(|address| is_at(local, *address));
    let is_ours = local.is_some_and(is_at) && getpeername(socket).is_ok();
    let is_silent = is_ours && silence(socket).is_some_and(|silence| silence >= longest);
    // Whoever waits for it sees its end.
    is_silent && shutdown(socket, Shutdown::Both).is_ok()
}

/// Whether a connection may have come to an address: on a port alone there may be one of ours to PostgreSQL.
fn is_at(local: SocketAddr, address: SocketAddr) -> bool {
    let is_there = address.ip().is_unspecified() || address.ip().to_canonical() == local.ip().to_canonical();
    address.port() == local.port() && is_there
}

/// `tcpi_state` of connections that neither side has ended, or only the other one (Linux's `tcp_states.h`).
const ESTABLISHED: u8 = 1;
const CLOSE_WAIT: u8 = 8;

/// For how long no data has gone either way over a TCP connection that is there (`TCP_INFO` of Linux). Probes of a peer that
/// reads nothing are no data. What is sent again to one that is gone is, for Linux: it counts only as long as somebody
/// acknowledges something.
fn silence(socket: BorrowedFd<'_>) -> Option<Duration> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    let (number, to) = (socket.as_raw_fd(), info.as_mut_ptr().cast());
    // SAFETY: the kernel writes `length` bytes at most, which is what there is; all zeros are a value of this struct of
    // integers, so that it is whole whatever was written.
    #[expect(unsafe_code, reason = "no library of the tree reads TCP_INFO")]
    let info = unsafe {
        if libc::getsockopt(number, libc::IPPROTO_TCP, libc::TCP_INFO, to, &raw mut length) != 0 {
            return None;
        }
        info.assume_init()
    };
    let is_there = matches!(info.tcpi_state, ESTABLISHED | CLOSE_WAIT);
    let sent = info.tcpi_last_data_sent.max(info.tcpi_last_ack_recv);
    is_there.then(|| Duration::from_millis(info.tcpi_last_data_recv.min(sent).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FlockOperation, fcntl_lock};
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::fs::MetadataExt;

    /// Whether a connection is still there for who is at its other end.
    fn is_open(mut connection: &TcpStream) -> bool {
        connection.set_nonblocking(true).unwrap();
        let found = connection.read(&mut [0; 64]);
        connection.set_nonblocking(false).unwrap();
        found.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn is_locked(file: &std::fs::File) -> bool {
        let inode = format!(":{} ", file.metadata().unwrap().ino());
        std::fs::read_to_string("/proc/locks").unwrap().lines().any(|line| line.contains(&inode))
    }

    #[test]
    fn ends_what_is_silent_and_nothing_else() {
        const LONG: Duration = Duration::from_secs(1);
        let folder = rustix::fs::open("/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut descriptors = Dir::new(folder).unwrap();
        let (listener, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        // Not of TCP, and with a file lock: both are passed over.
        let udp = UdpSocket::bind(address).unwrap();
        udp.connect(other.local_addr().unwrap()).unwrap();
        let file = tempfile::tempfile().unwrap();
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let open = |listener: &TcpListener| {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let [silent, spoke, stuffed] = [(); 3].map(|()| open(&listener));
        let elsewhere = open(&other);
        let (mut teller, mut told, mut asker) = (&spoke.0, &spoke.1, &stuffed.0);
        asker.write_all(b"GET").unwrap();
        // An answer that nobody reads, up to what the buffers hold.
        stuffed.1.set_nonblocking(true).unwrap();
        while (&stuffed.1).write(&[0; 65536]).is_ok() {}
        for _ in 0..6 {
            std::thread::sleep(LONG / 4);
            teller.write_all(b".").unwrap();
            told.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(end_silent(&mut descriptors, &[address], LONG).unwrap(), 2);
        assert!(!is_open(&silent.0) && is_open(&spoke.0) && is_open(&elsewhere.0) && is_locked(&file));
        assert_eq!((&stuffed.1).write(b".").unwrap_err().kind(), ErrorKind::BrokenPipe);
        told.write_all(b".").unwrap();
        teller.read_exact(&mut [0]).unwrap();
        assert_eq!(end_silent(&mut descriptors, &[address], LONG).unwrap(), 0, "what has ended is not ended again");
    }
}
