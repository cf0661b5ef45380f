use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What stands before several servers: it passes bytes on, each connection to the next of them.
#[derive(Clone)]
pub struct Front {
    /// Where it listens.
    pub address: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Listens on a free port of the loopback address until the process ends.
    pub fn start(targets: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front =
            Self { address: listener.local_addr().unwrap().to_string(), targets: Arc::new(Mutex::new(targets)) };
        let targets = Arc::clone(&front.targets);
        std::thread::spawn(move || {
            for (n, client) in listener.incoming().enumerate() {
                let target = {
                    let targets = targets.lock().unwrap();
                    targets[n % targets.len()].clone()
                };
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(target)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (client_copy, server_copy) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(client_copy, server_copy));
                std::thread::spawn(move || pass(server, client));
            }
        });
        front
    }

    /// Sends new connections elsewhere.
    pub fn turn_to(&self, targets: Vec<String>) {
        *self.targets.lock().unwrap() = targets;
    }
}

/// Passes bytes on until one side ends.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk) {
            Ok(length @ 1..) if to.write_all(&chunk[..length]).is_ok() => {}
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            _ => {
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                return;
            }
        }
    }
}
