use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// What stands before several servers: it passes bytes on, each connection to the next of them.
#[derive(Clone)]
pub struct Front {
    /// Where it listens.
    pub address: String,
    targets: Arc<Mutex<Vec<String>>>,
}

/// How many connections may come at once before the first of them is taken.
const QUEUE: u32 = 4_096;

impl Front {
    /// Listens on a free port of the loopback address until the process ends.
    pub fn start(targets: Vec<String>) -> Self {
        let targets = Arc::new(Mutex::new(targets));
        let (tell, told) = mpsc::channel();
        let shared = Arc::clone(&targets);
        std::thread::spawn(move || {
            // Its own: it has to answer while a test blocks.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = listen();
                tell.send(listener.local_addr().unwrap().to_string()).unwrap();
                pass_on(listener, &shared).await;
            });
        });
        Self { address: told.recv().unwrap(), targets }
    }

    /// Sends new connections elsewhere.
    pub fn turn_to(&self, targets: Vec<String>) {
        *self.targets.lock().unwrap() = targets;
    }
}

fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    socket.listen(QUEUE).unwrap()
}

async fn pass_on(listener: TcpListener, targets: &Mutex<Vec<String>>) {
    for n in 0.. {
        let (client, _) = listener.accept().await.unwrap();
        let target = {
            let targets = targets.lock().unwrap();
            targets[n % targets.len()].clone()
        };
        tokio::spawn(pass(client, target));
    }
}

/// Passes bytes on until both sides have ended. A side that takes no more may have answered before: its last words
/// reach the other one.
async fn pass(mut client: TcpStream, target: String) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::join!(pass_one_way(from_client, to_server), pass_one_way(from_server, to_client));
}

async fn pass_one_way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}
