// Ways through the page: by arrows from the search along the list, and by the browser's own way back. Loaded once the
// page is there.
//
// Rules: where only one of them is seen, a conversation stands a step behind the list, and going back leads to it; a
// thread over it is closed first. An address that leads to a message is a step of its own.

const ROOM = "room"; // the state of that step

/** `root`: of a pane; `isNarrow()`: list and conversation take turns; `leave()` the conversation; `closeThread()`:
 *  whether there was one. */
export function watchBack(root, { isNarrow, leave, closeThread }) {
  let isGoing = false; // back, by what was pressed on the page
  let { hash } = location;
  const isRoom = () => root.dataset.view === "room";
  const look = () => {
    if (isGoing) return;
    const isHere = history.state === ROOM;
    if (isRoom() && !isHere && isNarrow()) {
      ({ hash } = location);
      history.pushState(ROOM, "");
    } else if (!isRoom() && isHere) {
      isGoing = true;
      history.back();
    }
  };
  new MutationObserver(look).observe(root, { attributeFilter: ["data-view"] });
  addEventListener("popstate", () => {
    const isOurs = !isGoing && isRoom() && history.state !== ROOM && hash === location.hash && isNarrow();
    isGoing = false;
    if (isOurs && !closeThread()) leave();
    else look();
  });
  look();
}

/** The focus goes to the row before or after it, of the search and what it found. `isChosen`: the first one is opened. */
export function walk(filter, list, step, isChosen) {
  const rows = [filter, ...list.querySelectorAll("button")];
  const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(document.activeElement) + step))];
  if (isChosen) next.click();
  else next.focus();
}
