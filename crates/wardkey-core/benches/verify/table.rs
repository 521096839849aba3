//! What was measured, beside what it must be.

use std::fmt;

/// What a figure must not exceed, and what it is meant to come down to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    must: Option<f64>,
    aim: Option<f64>,
}

impl Bound {
    /// Nothing is asked of it.
    pub(crate) const NONE: Self = Self { must: None, aim: None };

    pub(crate) fn at_most(must: f64) -> Self {
        Self { must: Some(must), aim: None }
    }

    pub(crate) fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    fn verdict(self, measured: f64) -> &'static str {
        let within = |bound: Option<f64>| bound.is_some_and(|bound| measured <= bound);
        match self {
            Self { must: None, .. } => "",
            _ if within(self.aim) => "as aimed for",
            _ if within(self.must) => "good",
            _ => "MISSED",
        }
    }
}

/// Rows in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 5]>);

impl Table {
    pub(crate) fn time(&mut self, what: &str, nanos: f64) {
        self.push(what, [String::new(), String::new(), format!("{nanos:.0} ns"), String::new()]);
    }

    pub(crate) fn row(&mut self, what: &str, measured: f64, unit: &str, bound: Bound) {
        let number = |value: f64| {
            let decimals = if unit.is_empty() { 0 } else { 2 };
            format!("{value:.decimals$} {unit}").trim_end().to_owned()
        };
        let bounds = [bound.must, bound.aim].map(|bound| bound.map(number).unwrap_or_default());
        let [must, aim] = bounds;
        self.push(what, [must, aim, number(measured), bound.verdict(measured).to_owned()]);
    }

    fn push(&mut self, what: &str, [must, aim, measured, verdict]: [String; 4]) {
        self.0.push([what.to_owned(), must, aim, measured, verdict]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, [what, must, aim, measured, verdict]: [&str; 5]| {
            writeln!(f, "| {what:<52} | {must:>8} | {aim:>8} | {measured:>8} | {verdict:<12} |")
        };
        line(f, ["", "must", "aim", "measured", ""])?;
        line(f, ["---", "---:", "---:", "---:", "---"])?;
        self.0.iter().try_for_each(|row| line(f, row.each_ref().map(String::as_str)))
    }
}
