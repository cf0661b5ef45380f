use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// What stands before several servers: it passes bytes on, each connection to the next server.
pub struct Front;

impl Front {
    /// Listens on a free port of the loopback address until the process ends; answers its address.
    pub fn start(servers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (client, server) in listener.incoming().zip(servers.iter().cycle()) {
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(server.strip_prefix("http://").unwrap()) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (client_copy, server_copy) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(client_copy, server_copy));
                std::thread::spawn(move || pass(server, client));
            }
        });
        url
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
