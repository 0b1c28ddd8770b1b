// The page behind the links of mails about accounts. A link says what it is for and has a token:
// `/account#verify-email=TOKEN`. The part behind `#` is sent to no server, so no log has it.
// Nothing happens before the person presses the button: programs that look into mails follow links,
// and must not use them up.

"use strict";

const PURPOSES = {
  "verify-email": {
    title: "Confirm your e-mail address",
    words: "This tells the server that the mail reached you, and that the address is yours.",
    button: "Confirm the address",
    mutation: "verifyEmail",
    fields: [],
    done: "Thank you. Your address is confirmed.",
  },
  "change-email": {
    title: "Use this e-mail address",
    words: "From then on you log in with this address, and mails come here.",
    button: "Use this address",
    mutation: "confirmEmailChange",
    fields: [],
    done: "Done. Your account has this address now.",
  },
  "reset-password": {
    title: "Set a new password",
    words: "All devices that are logged in to your account are logged out.",
    button: "Set the password",
    mutation: "resetPassword",
    fields: ["password"],
    done: "Done. Log in with your new password.",
  },
  unlock: {
    title: "Unlock your account",
    words: "You can then log in from your network again.",
    button: "Unlock",
    mutation: "unlockAccount",
    fields: [],
    done: "Done. You can log in again.",
  },
  invitation: {
    title: "Make your account",
    words: "You were invited. Your account gets the address that the invitation was sent to.",
    button: "Make the account",
    mutation: "register",
    fields: ["name", "username", "password"],
    done: "Welcome. Your account is there: log in with your address and your password.",
  },
};

const FAILED = "The server cannot be reached. Try again in a moment.";

const part = (id) => document.getElementById(id);

let purpose = null;
let token = "";
let documents = null;

function read() {
  const [name, text = ""] = location.hash.slice(1).split("=");
  // Neither the history nor a glance at the screen is to have it.
  if (location.hash) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  if (!Object.hasOwn(PURPOSES, name) || text === "") {
    return;
  }
  purpose = PURPOSES[name];
  token = text;
  show();
}

function show() {
  document.title = `${purpose.title} · Taskflow`;
  part("title").textContent = purpose.title;
  part("words").textContent = purpose.words;
  part("button").textContent = purpose.button;
  for (const field of document.querySelectorAll(".field")) {
    field.hidden = !purpose.fields.includes(field.dataset.for);
  }
  say("");
  part("form").hidden = false;
  const first = purpose.fields[0];
  (first ? part(first) : part("button")).focus();
  if (purpose.fields.includes("password")) {
    explain();
  }
}

function say(text, kind = "") {
  part("result").textContent = text;
  part("result").className = kind;
}

async function ask(name, variables) {
  documents ??= await (await fetch("account/documents.json", { credentials: "omit" })).json();
  const answer = await fetch("graphql", {
    method: "POST",
    credentials: "omit",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify({ query: documents[name], variables }),
  });
  const body = await answer.json();
  if (body.errors?.length) {
    throw new Refusal(body.errors[0].message);
  }
  return body.data;
}

// What the server says, as opposed to what goes wrong on the way to it.
class Refusal extends Error {}

function input() {
  const password = part("password").value;
  switch (purpose.mutation) {
    case "resetPassword":
      return { token, newPassword: password };
    case "register":
      return {
        invitation: token,
        name: part("name").value,
        username: part("username").value.trim() || null,
        password,
      };
    default:
      return { token };
  }
}

// The fields of the form, by the fields of the inputs.
const PLACES = { newPassword: "password", password: "password", name: "name", username: "username" };

function mark(problems) {
  for (const id of ["name", "username", "password"]) {
    part(`${id}-problem`).textContent = "";
    part(id).removeAttribute("aria-invalid");
  }
  const elsewhere = [];
  let first = null;
  for (const { message, field } of problems) {
    const id = PLACES[field?.at(-1)];
    if (id && purpose.fields.includes(id)) {
      const place = part(`${id}-problem`);
      place.textContent = `${place.textContent} ${message}`.trim();
      part(id).setAttribute("aria-invalid", "true");
      first ??= part(id);
    } else {
      elsewhere.push(message);
    }
  }
  if (part("password-problem").textContent !== "") {
    // It says the same.
    part("advice").textContent = "";
  }
  say(elsewhere.join(" "), "bad");
  first?.focus();
}

async function send(event) {
  event.preventDefault();
  const button = part("button");
  button.disabled = true;
  mark([]);
  try {
    const data = await ask(purpose.mutation, { input: input() });
    const problems = data[purpose.mutation].userErrors;
    if (problems.length === 0) {
      finish();
    } else {
      mark(problems);
    }
  } catch (error) {
    say(error instanceof Refusal ? error.message : FAILED, "bad");
  } finally {
    button.disabled = false;
    if (document.activeElement === document.body) {
      // A button that is switched off loses the focus.
      button.focus();
    }
  }
}

function finish() {
  token = "";
  part("form").reset();
  part("form").hidden = true;
  part("words").textContent = "You can close this page.";
  say(purpose.done, "good");
  part("words").focus();
}

// The rules and the meter help; without them the server still says what is wrong.
async function explain() {
  try {
    const { passwordPolicy: policy } = await ask("passwordPolicy", {});
    const wanted = [
      [policy.requiresUppercase, "an upper-case letter"],
      [policy.requiresLowercase, "a lower-case letter"],
      [policy.requiresDigit, "a digit"],
      [policy.requiresSymbol, "a symbol"],
    ];
    const classes = wanted.filter(([is]) => is).map(([, name]) => name);
    const rest = classes.length > 0 ? `, with ${new Intl.ListFormat("en").format(classes)}` : "";
    part("rules").textContent = `At least ${policy.minLength} characters${rest}.`;
  } catch {
    part("rules").textContent = "";
  }
}

let pause = 0;
let latest = 0;

function typed() {
  part("password-problem").textContent = "";
  part("password").removeAttribute("aria-invalid");
  clearTimeout(pause);
  pause = setTimeout(weigh, 400);
}

async function weigh() {
  const mine = ++latest;
  const password = part("password").value;
  if (password === "") {
    part("meter").value = 0;
    part("advice").textContent = "";
    return;
  }
  const names = [part("name").value, part("username").value].filter((name) => name !== "");
  try {
    const data = await ask("passwordStrength", { password, names });
    if (mine !== latest) {
      return;
    }
    const { score, isAcceptable, problems, warning, suggestions } = data.passwordPolicy.strength;
    part("meter").value = isAcceptable ? score : Math.min(score, 1);
    const advice = isAcceptable ? [] : problems;
    const more = score < 3 ? [warning, ...suggestions].filter(Boolean) : [];
    part("advice").textContent = [...advice, ...more].join(" ") || "This is a good password.";
  } catch {
    part("advice").textContent = "";
  }
}

part("form").addEventListener("submit", send);
part("password").addEventListener("input", typed);
part("show").addEventListener("change", (event) => {
  part("password").type = event.target.checked ? "text" : "password";
});
// Another link, opened in the same tab.
addEventListener("hashchange", read);
read();
