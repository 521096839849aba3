//! Text as HTML.

/// Text in which nothing is markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// One line of a description: what stands between backticks is code.
pub(super) fn inline(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        match index % 2 {
            0 => html.push_str(&escape(part)),
            _ => html.push_str(&format!("<code>{}</code>", escape(part))),
        }
    }
    html
}

/// A description: paragraphs between empty lines, lists of lines that start with a hyphen, tables of lines that start with
/// a bar.
pub(super) fn prose(text: &str) -> String {
    let mut html = String::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        if block.starts_with("- ") {
            let items =
                block.lines().map(|line| format!("<li>{}</li>", inline(line.trim_start_matches("- "))));
            html.push_str(&format!("<ul>{}</ul>", items.collect::<String>()));
        } else if block.starts_with('|') {
            html.push_str(&table(block));
        } else {
            html.push_str(&format!("<p>{}</p>", inline(&block.replace('\n', " "))));
        }
    }
    html
}

/// A table whose first line names the columns, and whose second only draws a line.
fn table(block: &str) -> String {
    let row = |line: &str, cell: &str| {
        let cells = line.trim().trim_matches('|').split('|');
        let cells: String = cells.map(|text| format!("<{cell}>{}</{cell}>", inline(text.trim()))).collect();
        format!("<tr>{cells}</tr>")
    };
    let head = block.lines().take(1).map(|line| row(line, "th"));
    let body = block.lines().skip(2).map(|line| row(line, "td"));
    format!("<table>{}</table>", head.chain(body).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(inline("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
    }

    #[test]
    fn empty_lines_part_paragraphs_and_hyphens_make_lists() {
        assert_eq!(prose("one\ntwo\n\n- a\n- b"), "<p>one two</p><ul><li>a</li><li>b</li></ul>");
    }

    #[test]
    fn bars_make_tables() {
        let html = "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><code>2</code></td></tr></table>";
        assert_eq!(prose("| a | b |\n|---|---|\n| 1 | `2` |"), html);
    }
}
