//! Which request comes next, and when: all sessions that wait for upload, as a pure state machine.

mod talk;

pub use talk::{
    Allowed, Answer, Checked, Closing, Failure, Input, Limits, Output, Refusal, Request, RequestId,
    SessionCall, SessionPlan, SessionView, Trouble, View,
};
