//! A client that sends any bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::answer::Answer;
use crate::request::Request;

/// Sends the request on a connection of its own and reads until the server closes it.
pub(crate) fn send(address: SocketAddr, request: &Request) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the app listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out above zero");
    stream.write_all(&request.to_bytes()).expect("the app reads");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the app answers");
    let text = String::from_utf8(bytes).expect("the app answers in UTF-8");
    Answer::parse(&text)
}
