"use strict";
// The link's secret stands in the fragment: no server and no Referer header ever sees it.
const token = location.hash.slice(1);
const form = document.getElementById("form");
const notice = document.getElementById("notice");
const say = (text, bad) => {
  notice.textContent = text;
  notice.className = bad ? "bad" : "";
};

if (token) {
  history.replaceState(null, "", location.pathname);
  form.hidden = false;
  say("");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = document.getElementById("password").value;
  if (password !== document.getElementById("again").value) {
    say("The two passwords differ.", true);
    return;
  }
  say("…");
  try {
    const answer = await fetch("/auth/set-password", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, password }),
    });
    const body = await answer.json();
    if (answer.ok) {
      form.hidden = true;
      say(`Done. You can sign in as ${body.email} now.`);
    } else {
      say(body.error.message, true);
    }
  } catch {
    say("That did not go through. Please try again.", true);
  }
});
