// Small conveniences. Every page works without them.
"use strict";

// The language changes on the page that is open.
for (const link of document.querySelectorAll("a[data-back]")) {
  link.href += "&back=" + encodeURIComponent(location.pathname + location.search);
}

// "Back" goes to where the person was, with what was typed there.
for (const link of document.querySelectorAll("a[data-go-back]")) {
  link.addEventListener("click", (event) => {
    if (history.length > 1) {
      event.preventDefault();
      history.back();
    }
  });
}
