use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::make;
use poem::{Endpoint, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wardkey_server::http::{Patience, serve};

use super::database::Database;
use super::process::{Answer, Server};

const DEADLINE: Duration = Duration::from_secs(30);

/// A server in this process, around any endpoint.
struct Loop {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

async fn start(endpoint: impl Endpoint<Output = Response> + 'static, patience: Patience) -> Loop {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopping = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(serve(listener, Arc::new(endpoint), patience, stopping));
    Loop { address, stop, running }
}

fn hello() -> impl Endpoint<Output = Response> + 'static {
    make(|_| async { poem::Result::<_>::Ok(Response::builder().body("hello")) })
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// Waits until the server closes the connection.
async fn assert_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // An error is an end as well.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("the server closes the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_finish_its_head_is_cut_off() {
    let patience = Patience { head: Duration::from_millis(100), ..Patience::default() };
    let server = start(hello(), patience).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: te").await.unwrap();
    assert_closed(&mut silent).await;
    assert_closed(&mut slow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_its_time() {
    let patience = Patience { head: Duration::from_millis(100), ..Patience::default() };
    let server = start(hello(), patience).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(GET).await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.body, "hello");
    }
    assert_closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let arrived = Arc::new(Semaphore::new(0));
    let endpoint = {
        let arrived = Arc::clone(&arrived);
        make(move |_| {
            let arrived = Arc::clone(&arrived);
            async move {
                arrived.add_permits(1);
                // More than the kernel keeps for a client.
                poem::Result::<_>::Ok(Response::builder().body(vec![b'x'; 64 * 1024 * 1024]))
            }
        })
    };
    let patience = Patience {
        write: Duration::from_millis(100),
        drain: Duration::from_secs(3600),
        ..Patience::default()
    };
    let server = start(endpoint, patience).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    arrived.acquire().await.unwrap().forget();
    server.stop.send(()).unwrap();
    timeout(DEADLINE, server.running).await.expect("nobody waits for a client that does not read").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_progress_is_finished_and_no_other_is_accepted() {
    let arrived = Arc::new(Semaphore::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let endpoint = {
        let (arrived, gate) = (Arc::clone(&arrived), Arc::clone(&gate));
        make(move |_| {
            let (arrived, gate) = (Arc::clone(&arrived), Arc::clone(&gate));
            async move {
                arrived.add_permits(1);
                gate.acquire().await.unwrap().forget();
                poem::Result::<_>::Ok(Response::builder().body("late"))
            }
        })
    };
    let server = start(endpoint, Patience::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(GET).await.unwrap();
    arrived.acquire().await.unwrap().forget();
    server.stop.send(()).unwrap();
    // The connection that never asked anything is let go at once; the busy one is not.
    assert_closed(&mut idle).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    gate.add_permits(1);
    assert_eq!(Answer::read(&mut busy).await.body, "late");
    timeout(DEADLINE, server.running).await.expect("the server ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_holds_the_server_up_only_for_a_while() {
    let arrived = Arc::new(Semaphore::new(0));
    let endpoint = {
        let arrived = Arc::clone(&arrived);
        make(move |_| {
            let arrived = Arc::clone(&arrived);
            async move {
                arrived.add_permits(1);
                std::future::pending::<poem::Result<Response>>().await
            }
        })
    };
    let server = start(endpoint, Patience { drain: Duration::from_millis(100), ..Patience::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    arrived.acquire().await.unwrap().forget();
    server.stop.send(()).unwrap();
    timeout(DEADLINE, server.running).await.expect("the server ends").unwrap();
    assert_closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_answers_what_it_has_begun_to_read_and_exits_in_good_order() {
    for database in Database::both().await {
        let mut server = Server::start(&database, &[]).await;
        let key = server.operator_key();
        let body = r#"{"secret": "nothing"}"#;
        let request = format!(
            "POST /v1/verify HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        // The invitation to go on shows that the request is in progress.
        let mut invitation = [0; 25];
        timeout(DEADLINE, stream.read_exact(&mut invitation)).await.unwrap().unwrap();
        assert_eq!(&invitation, b"HTTP/1.1 100 Continue\r\n\r\n");

        server.terminate();
        server.wait_for("stopping").await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        assert_eq!((answer.status, &answer.json()["valid"]), (200, &false.into()), "{answer:?}");
        let (status, said) = server.ended().await;
        assert!(status.success() && said.contains("stopped"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_descriptors_ends_connections_and_not_the_server() {
    let database = Database::sqlite();
    let mut limited = tokio::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 48; exec \"$0\" --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_wardkey")]);
    limited.current_dir(database.folder());
    let mut server = Server::spawn(database.folder(), limited).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(server.connect().await);
    }
    server.wait_for("cannot accept connections").await;
    drop(crowd);
    let answer = server.send("GET /livez HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(answer.status, 200);
}
