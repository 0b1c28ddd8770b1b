//! The words the sample team is made of.

use super::dice::Dice;

pub const FIRST_NAMES: [&str; 60] = [
    "Ada", "Amir", "Ana", "Anders", "Aroha", "Ayşe", "Bao", "Beatriz", "Björn", "Carlos", "Chiara",
    "Chloé", "Daniel", "Deepa", "Elena", "Emeka", "Emma", "Fatima", "Felix", "Grace", "Hana",
    "Hugo", "Ines", "Ivan", "Jakub", "Jin", "Joana", "Johan", "Kofi", "Lars", "Leila", "Lena",
    "Liam", "Lucía", "Maja", "Marco", "María", "Mei", "Milan", "Mohammed", "Nadia", "Niamh",
    "Noah", "Nora", "Olga", "Omar", "Paula", "Pedro", "Priya", "Rania", "Ravi", "Rosa", "Samuel",
    "Sara", "Sofia", "Tomás", "Wanjiru", "Yuki", "Yusuf", "Zoë",
];

pub const LAST_NAMES: [&str; 60] = [
    "Adeyemi",
    "Andersen",
    "Bauer",
    "Bernard",
    "Berg",
    "Brown",
    "Chen",
    "Costa",
    "Cruz",
    "Dahl",
    "Demir",
    "Diaz",
    "Dubois",
    "Evans",
    "Fernández",
    "Fischer",
    "Garcia",
    "Gupta",
    "Haddad",
    "Hansen",
    "Horvat",
    "Hughes",
    "Ivanova",
    "Jansen",
    "Kaya",
    "Khan",
    "Kim",
    "Kowalska",
    "Kumar",
    "Larsen",
    "Lee",
    "Lopes",
    "López",
    "Martin",
    "Mensah",
    "Meyer",
    "Moreau",
    "Murphy",
    "Müller",
    "Nakamura",
    "Nguyen",
    "Novák",
    "Nowak",
    "Okafor",
    "Olsen",
    "Patel",
    "Pereira",
    "Popescu",
    "Ricci",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Singh",
    "Smith",
    "Tanaka",
    "Wagner",
    "Walker",
    "Weber",
    "Wilson",
];

pub const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "Europe/Lisbon",
    "Europe/Dublin",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Africa/Nairobi",
    "Pacific/Auckland",
];

/// Key, name, what it is about.
pub const PROJECTS: [(&str, &str, &str); 16] = [
    ("WEB", "Website", "The public site and everything on it."),
    (
        "OPS",
        "Operations",
        "Servers, backups and whoever is on call.",
    ),
    (
        "APP",
        "Mobile app",
        "The application for phones, and its releases.",
    ),
    ("API", "Public interface", "What partners build on."),
    ("PAY", "Payments", "Invoices, cards and refunds."),
    ("HR", "People", "Hiring, onboarding, holidays."),
    ("MKT", "Marketing", "Campaigns, newsletter and events."),
    (
        "SUP",
        "Support",
        "Questions of customers, and what we learn from them.",
    ),
    ("DATA", "Reporting", "Numbers for those who decide."),
    ("SEC", "Security", "Audits, access and updates."),
    ("DOC", "Documentation", "Manuals, examples and screenshots."),
    ("LEG", "Legal", "Contracts and privacy."),
    ("FIN", "Finance", "Budgets, closing, audits."),
    ("SAL", "Sales", "Offers and accounts."),
    ("RES", "Research", "Interviews, prototypes, experiments."),
    ("OFF", "Office", "Rooms, equipment, travel."),
];

pub const LABELS: [(&str, &str); 14] = [
    ("bug", "#d73a4a"),
    ("feature", "#0e8a16"),
    ("improvement", "#1d76db"),
    ("urgent", "#b60205"),
    ("blocked", "#5319e7"),
    ("waiting for customer", "#fbca04"),
    ("good first task", "#7057ff"),
    ("research", "#0052cc"),
    ("design", "#d4c5f9"),
    ("documentation", "#0075ca"),
    ("maintenance", "#c5def5"),
    ("customer", "#f9d0c4"),
    ("internal", "#bfdadc"),
    ("quick win", "#c2e0c6"),
];

const VERBS: [&str; 20] = [
    "Write",
    "Review",
    "Fix",
    "Update",
    "Plan",
    "Prepare",
    "Check",
    "Move",
    "Simplify",
    "Test",
    "Translate",
    "Replace",
    "Document",
    "Discuss",
    "Order",
    "Measure",
    "Announce",
    "Clean up",
    "Schedule",
    "Investigate",
];

const THINGS: [&str; 36] = [
    "the quarterly report",
    "the login page",
    "the invoice template",
    "the backup of the database",
    "the onboarding guide",
    "the price list",
    "the search results",
    "the newsletter",
    "the holiday calendar",
    "the release notes",
    "the error messages",
    "the customer survey",
    "the contract with the supplier",
    "the meeting room",
    "the export to CSV",
    "the test plan",
    "the icons of the toolbar",
    "the monitoring alerts",
    "the access rights",
    "the budget",
    "the presentation",
    "the mobile layout",
    "the certificate",
    "the job advert",
    "the privacy policy",
    "the payment reminder",
    "the sample data",
    "the interview questions",
    "the slow query",
    "the shipping labels",
    "the audit log",
    "the home page",
    "the travel costs",
    "the style guide",
    "the phone line",
    "the migration",
];

const CONTEXTS: [&str; 18] = [
    "for the board",
    "before the release",
    "after the audit",
    "for new colleagues",
    "of the Berlin office",
    "for the summer campaign",
    "with the design team",
    "on staging",
    "for phones",
    "for next year",
    "as agreed on Monday",
    "for large customers",
    "in Portuguese",
    "in Japanese",
    "without downtime",
    "for the trade fair",
    "with the new supplier",
    "for accessibility",
];

const SENTENCES: [&str; 24] = [
    "Two customers have asked for this already.",
    "The old version is confusing, and support spends an hour a day on it.",
    "See the notes of the last meeting for what was decided.",
    "Please talk to finance before you begin.",
    "It must work without a network, too.",
    "A draft is enough for now.",
    "The numbers of last month are in the shared folder.",
    "Nobody remembers why it was done like this.",
    "Keep the wording short and friendly.",
    "We tried this a year ago and gave up because of the cost.",
    "Ask Legal whether we may store that.",
    "Screenshots would help.",
    "It fails only on Fridays, which is odd.",
    "The supplier needs three weeks.",
    "Once this is done we can close the whole topic.",
    "Check the result on an old phone.",
    "The deadline is fixed; the scope is not.",
    "Start with the smallest office and see how it goes.",
    "There is a template in the handbook.",
    "Do not forget the translations.",
    "Everybody should hear of it two days before.",
    "If it takes longer than a day, split it.",
    "The graph on the second page is wrong.",
    "Measure first, then decide.",
];

const COMMENTS: [&str; 20] = [
    "I will look at it tomorrow.",
    "Done on staging, please check.",
    "Waiting for an answer of the supplier.",
    "Good idea, but not this month.",
    "Can we split this?",
    "I have put the files into the shared folder.",
    "The customer is happy with it.",
    "Still happens for me with the newest version.",
    "Thanks, that was quick!",
    "Moved to next week.",
    "Who decides this?",
    "I talked to finance: fine with them.",
    "Let us discuss it on Monday.",
    "The numbers look right now.",
    "I need access to the old system for this.",
    "Half of it is finished.",
    "This is more work than it seems.",
    "Please add a test plan.",
    "No objections from my side.",
    "Could not reproduce it here.",
];

pub fn title(dice: &mut Dice) -> String {
    let mut title = format!("{} {}", dice.pick(&VERBS), dice.pick(&THINGS));
    if dice.percent(60) {
        title.push(' ');
        let context: &&str = dice.pick(&CONTEXTS);
        title.push_str(context);
    }
    title
}

pub fn description(dice: &mut Dice) -> Option<String> {
    if dice.percent(40) {
        return None;
    }
    let count = 1 + dice.below(4);
    let sentences: Vec<&str> = (0..count).map(|_| *dice.pick(&SENTENCES)).collect();
    Some(sentences.join(" "))
}

pub fn comment(dice: &mut Dice) -> String {
    (*dice.pick(&COMMENTS)).to_owned()
}
