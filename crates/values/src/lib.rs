//! Money, typed ids, ISBN, e-mail, page tokens: parsed once, right ever after.
