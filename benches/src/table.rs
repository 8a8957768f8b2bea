//! Results as people paste them.

/// Prints a Markdown table, its columns aligned.
pub(crate) fn print(title: &str, head: &[&str], rows: &[Vec<String>]) {
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| cell(row, column).chars().count());
        cells.max().unwrap_or(0)
    };
    let line = |row: &[String]| {
        let cells: Vec<String> = (0..head.len())
            .map(|column| format!("{:<width$}", cell(row, column), width = width(column)))
            .collect();
        println!("| {} |", cells.join(" | "));
    };
    println!("\n### {title}\n");
    line(&head);
    let rule: Vec<String> = (0..head.len()).map(|column| "-".repeat(width(column))).collect();
    line(&rule);
    for row in rows {
        line(row);
    }
    println!();
}

/// What was reached beside what was wanted.
pub(crate) fn against(reached: f64, limit: f64) -> String {
    let verdict = if reached <= limit { "reached" } else { "missed" };
    format!("{reached:.3} of {limit:.2}, {verdict}")
}
