//! A load generator for `cargo xtask bench` and `cargo xtask soak`; prints one JSON line a measurement.

mod growth;
mod measure;
mod mixed;
mod world;

use measure::{Series, get, measure, measure_beside, send};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use world::World;

const HELP: &str = "\
load bare URL                        a route that does nothing
load vault URL [BARE]                the main job, its reads beside the route of BARE
load curves URL MOST                 reads by the number of connections, reads and writes by the size of values
load read|write URL SECONDS          one of them, for a profile
load idle URL CONNECTIONS            opens connections, prints a line, and keeps them until standard input ends
load mixed URL SECONDS RATE          a bit of everything, so many a second
load create CLUSTER NAME             an empty database on PostgreSQL
load grow URL STATE                  a vault of 100,000 secrets, 10,000 policies twice; writes STATE
load events DATABASE STATE COUNT     so many events more in the trail of STATE's organisation, while no server runs
load compare SMALL LARGE STATE       the same on a server with little in it and on the one of STATE
";

fn print(measured: &Value) {
    println!("{measured}");
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["bare", url] => {
            let request = get("/bare", "x");
            print(&measure("bare", url, Series::USUAL, move |_, _| request.clone()).await);
        }
        ["vault", url] => vault(url, None).await,
        ["vault", url, bare] => vault(url, Some(bare)).await,
        ["curves", url, most] => curves(url, most.parse().unwrap()).await,
        [what @ ("read" | "write"), url, seconds] => one(what, url, seconds.parse().unwrap()).await,
        ["idle", url, connections] => idle(url, connections.parse().unwrap()).await,
        ["mixed", url, seconds, rate] => {
            let seconds = Duration::from_secs(seconds.parse().unwrap());
            print(&mixed::run(url, seconds, rate.parse().unwrap()).await);
        }
        ["create", cluster, name] => assert!(keepward_tests::create_database(cluster, name, None), "create {name}"),
        ["grow", url, state] => growth::grow(url, state).await,
        ["events", database, state, count] => growth::add_events(database, state, count.parse().unwrap()).await,
        ["compare", small, large, state] => growth::compare(small, large, state).await,
        _ => panic!("{HELP}"),
    }
}

fn value(bytes: usize) -> String {
    json!({"value": "x".repeat(bytes)}).to_string()
}

async fn vault(url: &str, bare: Option<&str>) {
    let world = World::on(url).await;
    let request = get(&world.secret("load/secret"), &world.token);
    match bare {
        Some(bare) => measure_beside("read", url, bare, Series::TURNS, &request).await.iter().for_each(print),
        None => print(&measure("read", url, Series::USUAL, move |_, _| request.clone()).await),
    }
    let request = get("/v1/agents/me", &world.token);
    print(&measure("me", url, Series::USUAL, move |_, _| request.clone()).await);
    let (token, body) = (world.token.clone(), value(100));
    let path = world.secret("load");
    let write = move |connection: usize, n: u64| send("PUT", &format!("{path}/{connection}/{n}"), &token, &body);
    print(&measure("write", url, Series::USUAL, write).await);
    let body = json!({"api_key": world.agent_key}).to_string();
    let request = send("POST", "/v1/auth/agent-token", "none", &body);
    let request = String::from_utf8(request).unwrap().replace("Authorization: Bearer none\r\n", "").into_bytes();
    print(&measure("exchange", url, Series::USUAL, move |_, _| request.clone()).await);
    for n in 0..20 {
        let path = format!("load/listed/{n}");
        world.organisation.owner.secrets().put(world.vault, path.as_str(), "v").await.unwrap();
    }
    let request = get(&format!("/v1/vaults/{}/secrets?prefix=load/listed/", world.vault), &world.token);
    print(&measure("list of 20", url, Series::USUAL, move |_, _| request.clone()).await);
}

async fn curves(url: &str, most: usize) {
    let world = World::on(url).await;
    for connections in (0..).map(|power| 1 << power).take_while(|connections| *connections <= most) {
        let request = get(&world.secret("load/secret"), &world.token);
        let series = Series::POINT.with(connections);
        print(&measure("read by connections", url, series, move |_, _| request.clone()).await);
    }
    for bytes in [100, 1_000, 10_000, 100_000, 1_000_000] {
        let name = |what: &str| format!("{what} of {bytes} bytes");
        let path = format!("load/size/{bytes}");
        world.organisation.owner.secrets().put(world.vault, path.as_str(), "x".repeat(bytes)).await.unwrap();
        let request = get(&world.secret(&path), &world.token);
        let series = Series::POINT.with(8);
        print(&measure(&name("read"), url, series, move |_, _| request.clone()).await);
        let (token, body, path) = (world.token.clone(), value(bytes), world.secret(&path));
        let write = move |connection: usize, _: u64| send("PUT", &format!("{path}/{connection}"), &token, &body);
        print(&measure(&name("write"), url, series, write).await);
    }
}

async fn one(what: &str, url: &str, seconds: u64) {
    let world = World::on(url).await;
    let series = Series { measured: Duration::from_secs(seconds), repeats: 1, ..Series::USUAL };
    let (path, token, body, is_read) = (world.secret("load"), world.token.clone(), value(100), what == "read");
    let request = move |connection: usize, n: u64| match is_read {
        true => get(&format!("{path}/secret"), &token),
        false => send("PUT", &format!("{path}/{connection}/{n}"), &token, &body),
    };
    print(&measure(what, url, series, request).await);
}

async fn idle(url: &str, connections: usize) {
    let address = url.strip_prefix("http://").unwrap();
    let (mut held, mut buffer) = (Vec::with_capacity(connections), Vec::new());
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(measure::answer(&mut stream, &mut buffer).await, 200);
        held.push(stream);
    }
    print(&json!({"name": "idle", "connections": held.len()}));
    let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
}
