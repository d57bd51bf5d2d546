// Blocks a user, or ends that. Loaded with what leads to it.

/** `session`: of him who blocks. */
export async function block(session, user, isBlocked) {
  if (!(await session.command(isBlocked ? "user.block" : "user.unblock", { blocked: user }))) return;
  if (isBlocked) session.blocked.add(user);
  else session.blocked.delete(user);
  // What is hidden is decided by the server: everything is read anew.
  const channel = session.room?.channel;
  session.close();
  session.rooms.clear();
  session.positions.clear();
  if (channel) session.open(channel);
  session.on.changed("list");
}
