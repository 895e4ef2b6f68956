//! Dead letters as people read them.

use std::io;

use proto::events::v1::{DeadLetter, DeadLetterState};

use crate::{
    gateway::Service,
    output::{self, Colour},
};

/// How much of a reason has room in a row.
const LONGEST_REASON: usize = 60;

/// `answered` are the services whose list this is.
pub(super) fn list(letters: &[(Service, &DeadLetter)], answered: &[&str], has_resolved: bool) -> String {
    if letters.is_empty() {
        let which = if has_resolved { "No dead letters" } else { "No dead letters wait" };
        return format!("{which} in {}.", answered.join(", "));
    }
    let rows = letters.iter().map(|(service, letter)| {
        let state = has_resolved.then(|| state(letter).to_lowercase());
        let mut row = vec![
            letter.dead_letter_id.clone(),
            service.name().to_owned(),
            letter.subject.clone(),
            letter.aggregate_id.clone(),
            output::time(letter.create_time.as_ref()),
        ];
        row.extend(state);
        row.push(short(&letter.error));
        row
    });
    let heading = ["DEAD LETTER", "SERVICE", "EVENT", "ABOUT", "GIVEN UP"].into_iter();
    let heading: Vec<_> = heading.chain(has_resolved.then_some("STATE")).chain(["WHY"]).collect();
    output::table(&heading, rows)
}

pub(super) fn details(service: Service, letter: &DeadLetter) -> String {
    let facts = output::facts(&[
        ("Dead letter", letter.dead_letter_id.clone()),
        ("Service", service.name().to_owned()),
        ("State", painted(letter)),
        ("Consumer", letter.consumer.clone()),
        ("Event", letter.subject.clone()),
        ("Event id", letter.event_id.clone()),
        ("About", letter.aggregate_id.clone()),
        ("Attempts", letter.attempts.to_string()),
        ("Given up", output::time(letter.create_time.as_ref())),
        ("Resolved", output::time(letter.resolve_time.as_ref())),
        ("Why", letter.error.clone()),
    ]);
    let mut headers: Vec<_> =
        letter.headers.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    headers.sort();
    let headers = if headers.is_empty() {
        String::new()
    } else {
        format!("\n\n{}", output::table(&["HEADER", "VALUE"], headers))
    };
    format!("{facts}{headers}\n\n{}", body(letter))
}

fn body(letter: &DeadLetter) -> String {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&letter.payload_json) {
        return format!("{json:#}");
    }
    match letter.payload.len() {
        0 => "The body is empty.".to_owned(),
        bytes => format!("The body, {bytes} bytes, cannot be decoded; --output json has it as Base64."),
    }
}

fn state(letter: &DeadLetter) -> String {
    output::word(letter.state().as_str_name(), "DEAD_LETTER_STATE_")
}

fn painted(letter: &DeadLetter) -> String {
    let colour = match letter.state() {
        DeadLetterState::Replayed => Colour::Green,
        DeadLetterState::Dead | DeadLetterState::Unspecified => Colour::Red,
        DeadLetterState::Discarded => Colour::Yellow,
    };
    colour.paint(&state(letter), &io::stdout())
}

/// The beginning of a reason, on one line.
fn short(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    if line.chars().count() <= LONGEST_REASON && line.len() == reason.len() {
        return line.to_owned();
    }
    let begin: String = line.chars().take(LONGEST_REASON).collect();
    format!("{}…", begin.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_room_in_a_row() {
        assert_eq!(short("the books are torn"), "the books are torn");
        assert_eq!(short("first\nsecond"), "first…");
        assert_eq!(short(&"ä".repeat(61)), format!("{}…", "ä".repeat(60)));
    }

    #[test]
    fn whether_a_letter_was_resolved_is_told_where_both_kinds_are_listed() {
        let letter = DeadLetter { state: DeadLetterState::Replayed.into(), ..DeadLetter::default() };
        let letters = [(Service::Order, &letter)];

        assert!(list(&letters, &["order"], true).contains("replayed"));
        assert!(!list(&letters, &["order"], false).contains("STATE"));
        assert_eq!(list(&[], &["order", "payment"], false), "No dead letters wait in order, payment.");
    }

    #[test]
    fn what_cannot_be_decoded_is_said_to_be_so() {
        let letter = |payload: &[u8], payload_json: &str| DeadLetter {
            payload: payload.to_vec(),
            payload_json: payload_json.to_owned(),
            ..DeadLetter::default()
        };

        assert!(body(&letter(b"\xff", "")).contains("cannot be decoded"));
        assert_eq!(body(&letter(b"", "")), "The body is empty.");
        assert_eq!(body(&letter(b"x", r#"{"orderId":"ord_1"}"#)), "{\n  \"orderId\": \"ord_1\"\n}");
    }
}
