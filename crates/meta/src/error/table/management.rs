//! Codes and subcodes of the management side: Graph itself, signup, numbers, templates, analytics.

use super::super::Class as C;
use super::super::Explanation;
use super::super::Mender::{Meta, Operator, Tenant};
use super::super::Reaction as R;
use super::super::Retry::{AfterChange, Later, Never};
use super::row;

pub(super) const ROWS: &[Explanation] = &[
    row(17, "User budget spent", C::Throttling, Operator, Later, "The token's user made too many calls.", "Wait for the time that the usage header names.").then(R::SlowManagement),
    row(101, "App not known", C::Authentication, Operator, AfterChange, "The app id is wrong.", "Check the app's id in the configuration."),
    row(803, "Object not there", C::Parameter, Tenant, AfterChange, "No object has this id, or the token may not see it.", "Check the id; connect the account again."),
    row(2200, "Webhook address not verified", C::Onboarding, Operator, AfterChange,
        "Meta asked the callback address to prove itself and did not get its challenge back.", "Check that the address is public, has a valid certificate, and knows the verify token."),
    row(2500, "No such path", C::Parameter, Operator, Never, "The Graph API has no such edge, or not in this version.", "Check the Graph version of the app."),
    row(100, "Signup code expired", C::Onboarding, Tenant, AfterChange, "The code of the signup dialog is older than 30 seconds.", "Start the dialog again.").sub(36_007),
    row(100, "Signup code of another page", C::Onboarding, Operator, AfterChange,
        "The code was issued for another redirect address or another app.", "Check the app and the signup configuration; start the dialog again.").sub(36_008),
    row(100, "Signup code used before", C::Onboarding, Tenant, AfterChange, "The code was exchanged already.", "Start the dialog again.").sub(36_009),
    row(200, "Role lacks access", C::Permission, Tenant, AfterChange, "The token's user has no role that allows this.", "Grant the role in Business Settings.").sub(1_349_174).then(R::StopWaba),
    row(200, "Number limit of the portfolio", C::Onboarding, Tenant, AfterChange, "The portfolio has as many numbers as it may.", "Verify the business, or ask Meta for more.").sub(1_349_175),
    row(200, "Not allowed on this account", C::Permission, Tenant, AfterChange, "The account does not allow this to partners.", "Grant access in Business Settings.").sub(1_349_176).then(R::StopWaba),
    row(4, "App budget spent", C::Throttling, Operator, Later, "The app made too many calls within the hour.", "Wait; spread polling.").sub(2_446_079).then(R::SlowManagement),
    row(1_752_041, "Asked before", C::Onboarding, Operator, Later, "The same request is pending.", "Wait for its outcome."),
    row(2_207_013, "Solution in another state", C::Onboarding, Operator, AfterChange, "The partner solution's state does not allow this.", "Read its state first."),
    row(2_207_051, "Solution not waiting for an answer", C::Onboarding, Operator, AfterChange, "The invitation was answered already.", "Read its state first."),
    row(2_593_079, "Account marked for another solution", C::Onboarding, Tenant, AfterChange, "Another partner's request for this account is open.", "Have it withdrawn first."),
    row(2_593_085, "Account can't be moved so", C::Onboarding, Operator, Never, "The account is not of the kind that this call moves.", "Use Embedded Signup."),
    row(2_593_107, "Sync asked for twice", C::Onboarding, Operator, Never, "History and contacts of the phone app are handed over once.", "Offboard the number and sign it up again."),
    row(2_593_108, "Sync asked for too late", C::Onboarding, Operator, Never, "History and contacts can be had within 24 hours of the signup.", "Offboard the number and sign it up again."),
    row(2_593_109, "History not shared", C::Onboarding, Tenant, Never, "The business chose not to share its history.", "Nothing; or sign up again and share it."),
    row(4_233_041, "Flow not copied", C::Flow, Tenant, AfterChange, "One flow could not be migrated.", "Copy it by hand."),
    row(200_005, "Template insights not on", C::Analytics, Tenant, AfterChange, "The account has not turned template analytics on.", "Turn them on; it can't be undone."),
    row(200_006, "Template insights can't be off", C::Analytics, Tenant, Never, "Once on, template analytics stay on.", "Nothing."),
    row(200_007, "Template insights not available", C::Analytics, Tenant, AfterChange, "Analytics of this template can't be had.", "Check the span and that insights are on."),
    // Templates: subcodes of 100.
    row(100, "Template limit of the account", C::Template, Tenant, AfterChange,
        "The account has as many templates as it may: 250, or 6,000 when the business is verified and a display name approved.", "Delete templates, or verify the business.").sub(2_388_019),
    row(100, "Template name cooling down", C::Template, Tenant, Later,
        "A template of this name was deleted; the name is free again after 30 days.", "Choose another name.").sub(2_388_023).wait(2_592_000),
    row(100, "Template is there already", C::Template, Tenant, Never, "The account has a template of this name in this language.", "Edit that one, or choose another name.").sub(2_388_024),
    row(100, "Text too long", C::Template, Tenant, AfterChange, "A component passes its limit of characters.", "Shorten it.").sub(2_388_040),
    row(100, "Sample missing", C::Template, Tenant, AfterChange, "Every variable and every media header needs a sample.", "Give the samples.").sub(2_388_043),
    row(100, "Header not well formed", C::Template, Tenant, AfterChange, "The header's text or its variable is not right.", "One variable at most, no line breaks.").sub(2_388_047),
    row(100, "Body not well formed", C::Template, Tenant, AfterChange, "The body's variables are not right.", "Number them 1, 2, 3, or name them all; write {{ and }}.").sub(2_388_072),
    row(100, "Footer not well formed", C::Template, Tenant, AfterChange, "The footer takes no variables.", "Write fixed words.").sub(2_388_073),
    row(100, "Too many variables for the text", C::Template, Tenant, AfterChange, "The text has too few words for its variables.", "Write more words, or use fewer variables.").sub(2_388_293),
    row(100, "Variable at the edge", C::Template, Tenant, AfterChange, "The text begins or ends with a variable; punctuation does not count.", "Put words before the first and after the last variable.").sub(2_388_299),
    // Numbers: subcodes of 100.
    row(100, "Number must be freed first", C::Number, Tenant, AfterChange,
        "Ownership is not confirmed, or two-step verification is on where the number comes from.", "Turn two-step verification off there, then go on.").sub(2_388_001),
    row(100, "Number is in the list already", C::Number, Tenant, Never, "The account has this number.", "Use it as it is.").sub(2_388_012),
    row(100, "Number not eligible for a code", C::Number, Tenant, AfterChange, "The number is not being moved, or may not be.", "Start the move again.").sub(2_388_091),
    row(100, "Number not eligible for confirmation", C::Number, Tenant, AfterChange, "The number is not being moved, or may not be.", "Start the move again.").sub(2_388_093),
    row(100, "Number can't be moved yet", C::Number, Tenant, AfterChange,
        "A condition is missing: approved accounts of one business on both sides, an approved name, a payment method, a subscribed app.", "Mend what the user message names.").sub(2_388_103),
    row(100, "Number in maintenance", C::Number, Meta, Later, "Meta is working on the number.", "Try again later.").sub(2_494_100).wait(600),
];
