//! The table: one line a figure, each a ratio to a limit that was measured in the same run.

use serde_json::{Value, json};

/// Which side of the bound is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// How a figure is compared.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    pub better: Better,
    /// What the figure must reach; `None`: it is only reported.
    pub must: Option<f64>,
    /// What it aims at.
    pub aim: Option<f64>,
}

impl Bound {
    pub const REPORTED: Self = Self {
        better: Better::Higher,
        must: None,
        aim: None,
    };

    pub const fn at_least(must: f64, aim: f64) -> Self {
        Self {
            better: Better::Higher,
            must: Some(must),
            aim: Some(aim),
        }
    }

    pub const fn at_most(must: f64) -> Self {
        Self {
            better: Better::Lower,
            must: Some(must),
            aim: None,
        }
    }

    pub const fn aiming(self, aim: f64) -> Self {
        Self {
            aim: Some(aim),
            ..self
        }
    }
}

/// One line.
#[derive(Debug)]
pub struct Figure {
    pub scenario: &'static str,
    /// What was measured, with its unit.
    pub what: String,
    pub ours: f64,
    /// The limit; without one the bound is about `ours`.
    pub limit: Option<f64>,
    pub bound: Bound,
}

impl Figure {
    /// The value that the bound is about.
    fn compared(&self) -> f64 {
        self.limit.map_or(self.ours, |limit| self.ours / limit)
    }

    /// Whether it reaches what it must. What is no number reaches nothing.
    pub fn passes(&self) -> bool {
        let value = self.compared();
        self.bound.must.is_none_or(|must| match self.bound.better {
            Better::Higher => value >= must,
            Better::Lower => value <= must,
        })
    }
}

/// For people.
pub fn text(figures: &[Figure]) -> String {
    let sign = |bound: &Bound| match bound.better {
        Better::Higher => "≥",
        Better::Lower => "≤",
    };
    let mut rows =
        vec![["scenario", "figure", "ours", "limit", "ratio", "must", "aim", ""].map(str::to_owned)];
    let mut last = "";
    for figure in figures {
        let named = if figure.scenario == last {
            ""
        } else {
            figure.scenario
        };
        last = figure.scenario;
        let bound = |value: Option<f64>| {
            value.map_or(String::new(), |value| {
                format!("{} {}", sign(&figure.bound), number(value))
            })
        };
        let verdict = match figure.bound.must {
            None => "",
            Some(_) if figure.passes() => "ok",
            Some(_) => "MISSED",
        };
        rows.push([
            named.to_owned(),
            figure.what.clone(),
            number(figure.ours),
            figure.limit.map_or(String::new(), number),
            figure.limit.map_or(String::new(), |_| number(figure.compared())),
            bound(figure.bound.must),
            bound(figure.bound.aim),
            verdict.to_owned(),
        ]);
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..8).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            // Names to the left, numbers to the right.
            let cell = if column < 2 || column == 7 {
                format!("{cell}{padding}  ")
            } else {
                format!("{padding}{cell}  ")
            };
            text.push_str(&cell);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// For programs.
pub fn json(figures: &[Figure], machine: &Value) -> Value {
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            json!({
                "scenario": figure.scenario, "figure": figure.what, "ours": figure.ours, "limit": figure.limit,
                "ratio": figure.limit.map(|_| figure.compared()), "must": figure.bound.must,
                "aim": figure.bound.aim,
                "better": match figure.bound.better { Better::Higher => "higher", Better::Lower => "lower" },
                "passed": figure.passes(),
            })
        })
        .collect();
    json!({"machine": machine, "figures": figures})
}
