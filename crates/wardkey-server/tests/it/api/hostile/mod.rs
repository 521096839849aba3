//! Requests that nobody in good faith makes, of every operation: each hears what is wrong and where, nothing changes, and
//! nothing is a mistake of the server's.

mod bodies;
mod headers;
mod queries;

use super::authorization::callers::Who;
use super::authorization::rows;
use super::authorization::stage::{Asked, Operation, Row, Stage};
use super::schema::resolve;
use super::world::{Answer, Call};
use serde_json::Value;

use crate::dump::{Rows, difference};

/// One operation, how it is asked rightly, and by whom.
struct Target<'s> {
    stage: &'s Stage,
    row: &'s Row,
    operation: &'s Operation,
    asked: Asked,
    who: Who,
    before: Rows,
    wrong: Vec<String>,
}

impl<'s> Target<'s> {
    async fn of(stage: &'s Stage, row: &'s Row, operation: &'s Operation) -> Self {
        let asked = (row.prepare)(stage, &stage.home).await;
        let before = stage.rows().await;
        Self { stage, row, operation, asked, who: row.somebody(), before, wrong: Vec::new() }
    }

    /// The request without its body.
    fn call(&self) -> Call<'s> {
        self.call_with(&self.asked.if_match)
    }

    fn call_with(&self, if_match: &Option<String>) -> Call<'s> {
        let path = self.path();
        let cookie = self.asked.cookie.as_deref();
        let call = self.stage.call(self.who, self.operation.method.clone(), &path, cookie);
        match if_match {
            Some(version) => call.header("if-match", version),
            None => call,
        }
    }

    fn path(&self) -> String {
        self.operation.path(&self.stage.home.id.to_string(), &self.asked)
    }

    /// Its parameters of this kind, by name.
    fn parameters(&self, kind: &str) -> Vec<&'s Value> {
        let document = &self.stage.world.document;
        let all = self.operation.description["parameters"].as_array();
        let all = all.into_iter().flatten().map(|parameter| resolve(document, parameter));
        all.filter(|parameter| parameter["in"] == kind).collect()
    }

    /// Notes an answer that is not this one.
    fn expect(&mut self, what: &str, answer: &Answer, status: u16, code: &str) {
        let given = answer.problem_or_success();
        if given != (status, code.to_owned()) {
            let body = String::from_utf8_lossy(&answer.body);
            self.wrong
                .push(format!("{}, {what}: {given:?}, not {status} {code}: {body}", self.row.operation));
        }
    }

    /// Notes an answer that is no 400 which points there.
    fn expect_fault(&mut self, what: &str, answer: &Answer, pointer: &str, codes: &[&str]) {
        let given = answer.problem_or_success();
        let found = if given.0 == 400 { answer.faults() } else { Vec::new() };
        let told = found
            .iter()
            .any(|(at, code)| at == pointer && (codes.is_empty() || codes.contains(&code.as_str())));
        if given != (400, "invalid_request".to_owned()) || !told {
            let body = String::from_utf8_lossy(&answer.body);
            let operation = self.row.operation;
            self.wrong
                .push(format!("{operation}, {what}: no {codes:?} at {pointer:?} but {} {body}", given.0));
        }
    }

    /// At the end: nothing was done, and what was wrong.
    async fn end(mut self) -> Vec<String> {
        let after = self.stage.rows().await;
        if self.before != after {
            self.wrong.push(format!("{} changed\n{}", self.row.operation, difference(&self.before, &after)));
        }
        self.wrong
    }
}

/// Fails if anything was wrong, with all of it.
fn complain(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}
