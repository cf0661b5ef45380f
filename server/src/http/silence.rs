//! Connections on which nothing moves any more. dropshot leaves a connection to hyper, which has a time for the head of a
//! request only: one that never says anything, stops within a TLS handshake or HTTP/2, or never reads its answers would stay
//! open for ever.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use tokio::task::JoinHandle;

/// No data either way for so long, and a connection ends. No request is in work as long as that.
const LONGEST: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_secs(5);

/// Ends the silent connections of a port of this process, until it is dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    pub(super) fn start(port: u16) -> Self {
        Self(tokio::spawn(watch(port)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(port: u16) {
    let mut times = tokio::time::interval(BETWEEN);
    times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        match tokio::task::spawn_blocking(move || end_silent(port, LONGEST)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(ended)) => tracing::debug!(ended, "connections on which nothing moved"),
            Ok(Err(error)) => tracing::warn!(%error, "silent connections are not found"),
            Err(error) => tracing::error!(%error, "the look for silent connections failed"),
        }
    }
}

/// How many it has ended.
fn end_silent(port: u16, longest: Duration) -> io::Result<usize> {
    let mut ended = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(connection) = connection(number, port) else { continue };
        if silence(&connection)? >= longest {
            // Whoever waits for it sees its end. One that has just ended by itself can't be ended again.
            let _ = connection.shutdown(Shutdown::Both);
            ended += 1;
        }
    }
    Ok(ended)
}

/// The connection behind a descriptor, if it is one of this port's: by a descriptor of its own, so that it can't become
/// another's while it is looked at.
fn connection(number: RawFd, port: u16) -> Option<TcpStream> {
    // SAFETY: it is duplicated and not used otherwise; should it be closed by now, that fails, and should it be another's,
    // that one is looked at.
    #[expect(unsafe_code, reason = "a descriptor that dropshot owns, by its number")]
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let owned: OwnedFd = borrowed.try_clone_to_owned().ok()?;
    let stream = TcpStream::from(owned);
    // What is no TCP socket has no such address, and what listens has no peer.
    let is_ours = stream.local_addr().ok()?.port() == port && stream.peer_addr().is_ok();
    is_ours.then_some(stream)
}

/// For how long no data has gone either way (`TCP_INFO` of Linux; repeated probes of a peer that reads nothing are no data).
fn silence(connection: &TcpStream) -> io::Result<Duration> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).map_err(io::Error::other)?;
    let (number, to) = (connection.as_raw_fd(), info.as_mut_ptr().cast());
    // SAFETY: the kernel writes `length` bytes at most, which is what there is; all zeros are a value of this struct of
    // integers, so that it is whole whatever was written.
    #[expect(unsafe_code, reason = "no library of the tree reads TCP_INFO")]
    let info = unsafe {
        if libc::getsockopt(number, libc::IPPROTO_TCP, libc::TCP_INFO, to, &raw mut length) != 0 {
            return Err(io::Error::last_os_error());
        }
        info.assume_init()
    };
    Ok(Duration::from_millis(info.tcpi_last_data_recv.min(info.tcpi_last_data_sent).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Whether a connection is still there for who is at its other end.
    fn is_open(mut connection: &TcpStream) -> bool {
        connection.set_nonblocking(true).unwrap();
        let found = connection.read(&mut [0; 64]);
        connection.set_nonblocking(false).unwrap();
        found.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn ends_what_is_silent_and_nothing_else() {
        const LONG: Duration = Duration::from_secs(1);
        let (listener, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.local_addr().unwrap().port();
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
        assert_eq!(end_silent(port, LONG).unwrap(), 2);
        assert!(!is_open(&silent.0) && is_open(&spoke.0) && is_open(&elsewhere.0));
        assert_eq!((&stuffed.1).write(b".").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        told.write_all(b".").unwrap();
        teller.read_exact(&mut [0]).unwrap();
    }
}
