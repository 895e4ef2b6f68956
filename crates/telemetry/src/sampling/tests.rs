use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};

use super::*;

fn parent(flags: TraceFlags, is_remote: bool, state: &[(&str, &str)]) -> Context {
    let state = TraceState::from_key_value(state.iter().copied()).unwrap();
    let span = SpanContext::new(TraceId::from(1_u128), SpanId::from(1_u64), flags, is_remote, state);
    Context::new().with_remote_span_context(span)
}

fn ask(sampler: &Sampler, parent: Option<&Context>) -> SamplingResult {
    sampler.should_sample(parent, TraceId::from(1_u128), "", &SpanKind::Server, &[], &[])
}

fn is_recorded(sampler: &Sampler, parent: Option<&Context>) -> bool {
    ask(sampler, parent).decision == SamplingDecision::RecordAndSample
}

fn recorded_of(tries: usize, sampler: &Sampler, parent: Option<&Context>) -> usize {
    (0..tries).filter(|_| is_recorded(sampler, parent)).count()
}

/// So few a second that none is added while a test runs.
const FEW: u32 = 3;

#[test]
fn a_second_has_so_many_and_a_pause_saves_no_more_than_one_second() {
    let bucket = Bucket::new(10);
    let taken_at =
        |millis, tries| (0..tries).filter(|_| bucket.take_at(Duration::from_millis(millis))).count();
    assert_eq!(taken_at(0, 100), 10);
    assert_eq!(taken_at(99, 100), 0);
    assert_eq!(taken_at(100, 100), 1);
    assert_eq!(taken_at(3_600_000, 100), 10);
    assert_eq!((bucket.taken.load(Relaxed), bucket.refused.load(Relaxed)), (21, 379));
}

#[test]
fn a_rate_of_none_and_one_of_very_many_are_rates() {
    assert!(!Bucket::new(0).take());
    assert!(Bucket::new(u32::MAX).take());
}

#[test]
fn new_traces_are_limited_and_what_a_peer_decided_is_not() {
    let sampler = Sampler::limited(Sampling { new: FEW, asked_for: None });
    assert_eq!(recorded_of(50, &sampler, None), FEW as usize);
    for is_remote in [true, false] {
        let [yes, no] =
            [TraceFlags::SAMPLED, TraceFlags::default()].map(|flags| parent(flags, is_remote, &[]));
        assert_eq!((recorded_of(50, &sampler, Some(&yes)), recorded_of(50, &sampler, Some(&no))), (50, 0));
    }
}

#[test]
fn clients_have_an_allowance_of_their_own_at_the_edge() {
    let sampler = Sampler::limited(Sampling { new: FEW, asked_for: Some(2) });
    let client = parent(TraceFlags::SAMPLED, true, &[]);
    assert_eq!(recorded_of(50, &sampler, Some(&client)), 2);
    assert_eq!(recorded_of(50, &sampler, None), FEW as usize);
    // What goes on inside belongs to a trace that was decided about.
    assert_eq!(recorded_of(50, &sampler, Some(&parent(TraceFlags::SAMPLED, false, &[]))), 50);
}

#[test]
fn a_client_that_asks_for_nothing_has_nothing_recorded() {
    let sampler = Sampler::limited(Sampling { new: FEW, asked_for: Some(FEW) });
    assert_eq!(recorded_of(50, &sampler, Some(&parent(TraceFlags::default(), true, &[]))), 0);
}

#[test]
fn below_a_parent_that_is_sent_nowhere_stands_the_first_of_the_trace() {
    let edge = Sampler::limited(Sampling { new: FEW, asked_for: Some(FEW) });
    let unseen = parent(TraceFlags::SAMPLED, true, &[(MEMBER, UNSEEN), ("other", "1")]);
    let below = ask(&edge, Some(&unseen));
    assert_eq!(below.attributes, [KeyValue::new(ROOT, true)]);
    // Only the first: the next one has a parent that is sent.
    assert_eq!((below.trace_state.get(MEMBER), below.trace_state.get("other")), (None, Some("1")));
    assert!(ask(&edge, Some(&parent(TraceFlags::SAMPLED, true, &[]))).attributes.is_empty());
    // Inside the shop nobody is believed that.
    let inside = Sampler::limited(Sampling::default());
    assert!(ask(&inside, Some(&unseen)).attributes.is_empty());
}

#[test]
fn a_client_says_whether_what_it_records_is_sent() {
    let said = |is_seen| {
        let answer = ask(&Sampler::Everything { is_seen }, None);
        (answer.decision, answer.trace_state.get(MEMBER).map(str::to_owned))
    };
    assert_eq!(said(true), (SamplingDecision::RecordAndSample, None));
    assert_eq!(said(false), (SamplingDecision::RecordAndSample, Some(UNSEEN.to_owned())));
}

#[test]
fn without_anywhere_to_send_them_nothing_is_recorded() {
    assert!(!is_recorded(&Sampler::Nothing, None));
    assert!(!is_recorded(&Sampler::Nothing, Some(&parent(TraceFlags::SAMPLED, true, &[]))));
}
