//! The first words of PostgreSQL's protocol: enough to learn whether a server lets us in.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server says to user `postgres` who has no password.
#[derive(Debug)]
pub(super) enum Answer {
    /// Come in.
    Welcome,
    /// There is a server, but not for us; with its reason.
    Refused(String),
    /// No server.
    Silence,
}

pub(super) fn greet(address: SocketAddr) -> Answer {
    const PATIENCE: Duration = Duration::from_secs(2);
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(_) => Answer::Silence,
        Ok(stream) => {
            let asked = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| ask(stream));
            asked.unwrap_or_else(|error| Answer::Refused(error.to_string()))
        }
    }
}

fn ask(mut stream: TcpStream) -> io::Result<Answer> {
    const PROTOCOL_3_0: u32 = 3 << 16;
    let names = b"user\0postgres\0database\0postgres\0\0";
    let length = (4 + 4 + names.len()) as u32;
    stream.write_all(&[&length.to_be_bytes()[..], &PROTOCOL_3_0.to_be_bytes(), names].concat())?;

    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_be_bytes(length).saturating_sub(4).min(10_000);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(match (kind, &body[..]) {
        (b'R', [0, 0, 0, 0, ..]) => {
            stream.write_all(&[b'X', 0, 0, 0, 4])?;
            Answer::Welcome
        }
        (b'R', _) => Answer::Refused("it wants a password".to_owned()),
        (b'E', fields) => Answer::Refused(message_of(fields)),
        _ => Answer::Refused("it does not speak PostgreSQL's protocol".to_owned()),
    })
}

/// The human text of an error response: fields of one letter and a zero-ended text each, `M` being the message.
fn message_of(fields: &[u8]) -> String {
    let message = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"M"));
    String::from_utf8_lossy(message.unwrap_or(b"without a message")).into_owned()
}
