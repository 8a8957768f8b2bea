//! `spool annotate`

use crate::{
    args,
    args::{Annotate, Common, Pencil, Stroke, TwoPoints},
    connect, words,
};
use anyhow::Result;
use engine::{
    command::{Command, Reply},
    model::{Annotation, Drawing, Point, Tool},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn run(common: &Common, flags: &args::Annotate) -> Result<()> {
    let annotation = annotation(flags);
    let id = match &annotation {
        Annotation::Draw(drawing) => Some(drawing.id),
        Annotation::Erase { .. } | Annotation::Undo | Annotation::Clear => None,
    };
    let reply = connect::tell(common, Command::Annotate(annotation))?;
    let Reply::Done = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&serde_json::json!({ "id": id }));
    }
    match id {
        Some(id) => words::print(&format!("Drawn, with the id {id}.")),
        None => words::print("Done."),
    }
}

fn annotation(flags: &Annotate) -> Annotation {
    let between = |tool, flags: &TwoPoints| draw(tool, &[flags.from, flags.to], &flags.pencil);
    let through = |tool, flags: &Stroke| draw(tool, &flags.points, &flags.pencil);
    match flags {
        Annotate::Pen(stroke) => through(Tool::Pen, stroke),
        Annotate::Highlighter(stroke) => through(Tool::Highlighter, stroke),
        Annotate::Line(ends) => between(Tool::Line, ends),
        Annotate::Arrow(ends) => between(Tool::Arrow, ends),
        Annotate::Rectangle(ends) => between(Tool::Rectangle, ends),
        Annotate::Ellipse(ends) => between(Tool::Ellipse, ends),
        Annotate::Text { at, text, pencil } => draw(Tool::Text(text.clone()), &[*at], pencil),
        Annotate::Erase { points, radius } => Annotation::Erase { points: points.clone(), radius: *radius },
        Annotate::Undo => Annotation::Undo,
        Annotate::Clear => Annotation::Clear,
    }
}

fn draw(tool: Tool, points: &[Point], pencil: &Pencil) -> Annotation {
    let usual = match tool {
        Tool::Highlighter => 24,
        Tool::Text(_) => 32,
        Tool::Pen | Tool::Line | Tool::Arrow | Tool::Rectangle | Tool::Ellipse => 6,
    };
    Annotation::Draw(Drawing {
        id: pencil.id.unwrap_or_else(new_id),
        tool,
        points: points.to_vec(),
        color: pencil.color,
        width: pencil.width.unwrap_or(usual),
        fade_after_ms: pencil.fade.map(|fade| u32::try_from(fade.as_millis()).unwrap_or(u32::MAX)),
    })
}

/// Nobody draws twice within a nanosecond.
fn new_id() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
