//! What the commands have in common that work on the database itself.

use anyhow::ensure;
use poem_openapi::types::ToJSON;
use serde_json::json;
use wardkey::{Caller, DeploymentHandle, Error, PageOf, PageRequest, Tenant, Wardkey};
use wardkey_core::{EnvironmentName, OrganizationId, Reference};

use super::print;
use crate::cli::Output;
use crate::config::Config;

/// The database, and how to show what is in it.
pub(super) struct Local {
    pub(super) wardkey: Wardkey,
    /// In which environment things work that are made without saying so.
    pub(super) environment: EnvironmentName,
    output: Output,
}

/// How many items are read at once.
const PAGE: u32 = 100;

impl Local {
    /// Opens the database, if that is where to work.
    ///
    /// # Errors
    /// If nobody said so, or it cannot be opened.
    pub(super) async fn open(local: bool, output: Output, config: &Config) -> anyhow::Result<Self> {
        ensure!(
            local,
            "say where to work: --local works on the database itself (with --data-dir or --database-url as the server \
             has them); --url, for the API of a running server, is not part of this version"
        );
        let wardkey = Wardkey::open(config.database.url().expose()).await?;
        Ok(Self { wardkey, environment: config.environment.clone(), output })
    }

    /// The deployment as a whole, for this command, as the audit log will say.
    pub(super) async fn deployment(&self, command: &str) -> anyhow::Result<DeploymentHandle> {
        Ok(self.wardkey.enter_deployment(&Caller::local(command)).await?)
    }

    /// An organization, or without a name the operator's own; for this command.
    pub(super) async fn organization(
        &self,
        command: &str,
        organization: Option<&Reference<OrganizationId>>,
    ) -> anyhow::Result<Tenant> {
        let caller = Caller::local(command);
        match organization {
            None => self.wardkey.enter_operator(&caller).await.map_err(|error| match error {
                Error::NotFound => {
                    anyhow::anyhow!("there is no deployment yet: start the server once, with `wardkey serve`")
                }
                error => error.into(),
            }),
            Some(named) => self.wardkey.enter(&caller, named).await.map_err(|error| match error {
                Error::NotFound => anyhow::anyhow!(
                    "there is no organization {named}: `wardkey --local organization list` shows them"
                ),
                error => error.into(),
            }),
        }
    }

    /// Whether people read what is shown.
    pub(super) fn is_for_people(&self) -> bool {
        self.output == Output::Text
    }

    /// Shows one object: as a line below its heads, or as the API does.
    pub(super) fn show<T: 'static, V: ToJSON>(
        &self,
        columns: &Columns<T>,
        object: T,
        view: impl FnOnce(T) -> V,
    ) -> anyhow::Result<()> {
        match self.output {
            Output::Text => print(&columns.write(&[object])),
            Output::Json => print_json(&view(object)),
        }
    }

    /// Shows objects: as lines, or as `items` like a list of the API, but whole.
    pub(super) fn show_all<T: 'static, V: ToJSON>(
        &self,
        columns: &Columns<T>,
        objects: Vec<T>,
        view: impl FnMut(T) -> V,
    ) -> anyhow::Result<()> {
        match self.output {
            Output::Text => print(&columns.write(&objects)),
            Output::Json => {
                let items: Vec<_> = objects.into_iter().map(view).collect();
                print(&format!("{:#}\n", json!({ "items": items.to_json() })))
            }
        }
    }
}

/// Every item of a list, page after page.
pub(super) async fn read_all<T, I: Copy>(
    id: impl Fn(&T) -> I,
    read: impl AsyncFn(PageRequest<I>) -> Result<PageOf<T>, Error>,
) -> Result<Vec<T>, Error> {
    let mut items: Vec<T> = Vec::new();
    loop {
        let page = read(PageRequest { after: items.last().map(&id), limit: PAGE }).await?;
        items.extend(page.items);
        if !page.has_more {
            return Ok(items);
        }
    }
}

/// Prints a JSON document.
pub(super) fn print_json(view: &impl ToJSON) -> anyhow::Result<()> {
    print(&format!("{:#}\n", view.to_json().unwrap_or_default()))
}

/// What a refused operation says to whoever typed the command: the fields by the names of their flags.
pub(super) fn say(error: Error, flags: &[(&str, &str)]) -> anyhow::Error {
    let faults = match error {
        Error::Invalid(faults) | Error::ExceedsOwnRights(faults) => faults,
        error => return error.into(),
    };
    let said = faults.iter().map(|fault| {
        let flag = flags.iter().find(|(pointer, _)| fault.pointer.starts_with(pointer));
        format!("{}: {}", flag.map_or(fault.pointer.as_str(), |(_, flag)| flag), fault.detail)
    });
    anyhow::anyhow!(said.collect::<Vec<_>>().join("; "))
}

/// A column: its head, and what stands in it for an object.
pub(super) type Column<T> = (&'static str, fn(&T) -> String);

/// The columns of a table.
pub(super) struct Columns<T: 'static>(pub(super) &'static [Column<T>]);

/// Between two columns.
const GAP: &str = "  ";

impl<T: 'static> Columns<T> {
    /// The heads, and a line for each object; what is absent is a hyphen.
    fn write(&self, objects: &[T]) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.0.iter().map(|(head, _)| (*head).to_owned()).collect()];
        lines.extend(objects.iter().map(|object| {
            let cells = self.0.iter().map(|(_, cell)| cell(object));
            cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }).collect()
        }));
        let widths: Vec<_> = (0..self.0.len())
            .map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default())
            .collect();
        let mut text = String::new();
        for line in lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let columns =
            Columns::<(&str, &str)>(&[("NAME", |row| row.0.to_owned()), ("ID", |row| row.1.to_owned())]);
        assert_eq!(
            columns.write(&[("Österreich", "1"), ("", "22")]),
            "NAME        ID\nÖsterreich  1\n-           22\n"
        );
        assert_eq!(columns.write(&[]), "NAME  ID\n");
    }

    #[test]
    fn a_fault_is_named_by_its_flag() {
        let faults = [("/permissions/3", "is not known"), ("/odd", "is odd")].map(|(pointer, detail)| {
            wardkey_core::FieldError { pointer: pointer.to_owned(), code: "x", detail: detail.to_owned() }
        });
        let said = say(Error::Invalid(faults.to_vec()), &[("/permissions", "--permission")]);
        assert_eq!(said.to_string(), "--permission: is not known; /odd: is odd");
    }
}
