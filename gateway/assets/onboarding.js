"use strict";
// Opens Meta's dialog and hands its answer to the callback, once. The dialog's code lives for 30 seconds, so it is
// not held back: ids that the dialog tells by message go along when they came first, and are only hints anyway.
const signup = document.getElementById("signup");
const notice = document.getElementById("notice");
const connect = document.getElementById("connect");
const dialog = document.getElementById("dialog");
const { state, appId, configId, graphVersion, dialogUrl, callback, meta } = signup.dataset;
const isMeta = meta === "yes";

let ids = {};
let sent = false;

const say = (text, bad) => {
  notice.textContent = text;
  notice.className = bad ? "bad" : "";
};

const finish = async (code, withState) => {
  if (sent) return;
  sent = true;
  connect.disabled = true;
  say("Connecting …");
  try {
    const answer = await fetch(callback, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ state: withState || state, code, ...ids }),
    });
    const body = await answer.json();
    if (answer.ok) {
      signup.hidden = true;
      say("Connected. We finish the set-up now; you can close this page.");
      return;
    }
    say(`${body.error.message} Reload this page to open the dialog again.`, true);
  } catch {
    // Whether the code was used is not known, so it is not sent again.
    say("The connection broke. Reload this page to open the dialog again.", true);
  }
};

// Meta's messages come from facebook.com or below it; a host that merely ends alike is somebody else's.
const trusted = (origin) => {
  let url;
  try {
    url = new URL(origin);
  } catch {
    return false;
  }
  if (isMeta) {
    const host = url.hostname;
    return url.protocol === "https:" && (host === "facebook.com" || host.endsWith(".facebook.com"));
  }
  return url.origin === new URL(dialogUrl).origin;
};

window.addEventListener("message", (event) => {
  if (!trusted(event.origin) || typeof event.data !== "string") return;
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    return;
  }
  if (message.type === "WA_EMBEDDED_SIGNUP") {
    const told = message.data || {};
    if (String(message.event).startsWith("FINISH")) {
      if (told.waba_id) ids.waba_id = told.waba_id;
      if (told.phone_number_id) ids.phone_number_id = told.phone_number_id;
    } else if (!sent) {
      say(told.error_message || "The dialog was closed before it was done. You can open it again.", true);
    }
  } else if (!isMeta && message.type === "SANDBOX_LOGIN" && message.code) {
    finish(message.code);
  }
});

dialog?.addEventListener("click", (event) => {
  const opened = window.open(dialogUrl, "signup", "width=640,height=800");
  if (opened) event.preventDefault();
});

// A dialog that could not reach this window comes back by redirect instead.
const query = new URLSearchParams(location.search);
if (query.get("code")) {
  const code = query.get("code");
  const returned = query.get("state");
  history.replaceState(null, "", location.pathname);
  finish(code, returned);
} else if (isMeta) {
  window.fbAsyncInit = () => {
    window.FB.init({ appId, autoLogAppEvents: true, xfbml: true, version: graphVersion });
    connect.hidden = false;
  };
  const sdk = document.createElement("script");
  sdk.src = "https://connect.facebook.net/en_US/sdk.js";
  sdk.async = true;
  sdk.crossOrigin = "anonymous";
  document.head.append(sdk);
  connect.addEventListener("click", () => {
    window.FB.login(
      (answer) => {
        const code = answer.authResponse && answer.authResponse.code;
        if (code) {
          // The ids come by message, before or after: they are waited for as little as may be.
          setTimeout(() => finish(code), ids.waba_id ? 0 : 500);
        } else if (!sent) {
          say("The dialog was closed before it was done. You can open it again.", true);
        }
      },
      {
        config_id: configId,
        response_type: "code",
        override_default_response_type: true,
        extras: { setup: {}, featureType: "", sessionInfoVersion: "3" },
      },
    );
  });
} else {
  connect.hidden = false;
  connect.addEventListener("click", () => dialog.click());
}
