// Who has a share in something that is bounded over all of them: looked through when it runs short, and joined and left
// with every call. A Set that goes from empty to one and back is given a new table each time.

/** Whoever may be on one roster. */
export interface RosterMember {
  /** Where it stands there; −1 when it does not. Kept by the roster. */
  rosterPlace: number;
}

/** Its members, in no order that means anything. */
export class Roster<Member extends RosterMember> {
  readonly #members: Member[] = [];

  /** All of them; it must not change meanwhile. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** Does nothing when it is on it. */
  add(member: Member): void {
    if (member.rosterPlace >= 0) return;
    member.rosterPlace = this.#members.length;
    this.#members.push(member);
  }

  /** Does nothing when it is not on it. */
  remove(member: Member): void {
    if (member.rosterPlace < 0) return;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[member.rosterPlace] = last;
      last.rosterPlace = member.rosterPlace;
    }
    member.rosterPlace = -1;
  }
}
