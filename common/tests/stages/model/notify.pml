/* SPDX-License-Identifier: GPL-2.0 */
/*
 * notify - one stream of bytes of mydevice, from the end that writes to the end that
 * reads, as a model for Spin: is somebody left asleep though what it waits for is
 * there, does a byte arrive wrong, does anything go round in circles?
 *
 * The names are those of mydevice.h and mydevicestream.c without their prefix, so ask_prod
 * is mydevice_ask_prod() and stream_readable is mydevice_stream_readable(); the functions of
 * mydevicepeerstream.c have the same steps. A line "barrier:" names each barrier of the code, which
 * are in mydevice.h; model.t compares these lines with the sources.
 *
 * Every barrier and every second look can be left out; so can some rules. The list is
 * at "removals". Each of them must make the checker find a trace.
 *
 * The settings come from the environment, so that one compilation serves for all:
 *
 *   WITHOUT   what is left out, a number of the list; 0: nothing
 *   WEAK      0: the memory of x86 (TSO). 1: a weaker one, see "memory"
 *   BYTES     how many are sent
 *   FSYNCS    how many others wait in fsync, 0 to 2
 *   EDGE      1: the reader does not block, and waits for an edge of epoll
 *   STOPS     1: the reader may stop for good after any read
 *   DIES      1: the reader is a process, and may die between two steps
 *   QUITS     1: the writer may end before all is written, and who sleeps in fsync as well:
 *             it does not block, or a signal comes
 *   WHOLE     1: the writer writes all with one write(2); 0: a byte or all, each time
 */

/*
 * A small ring, and small indices that still wrap on the way: their modulus stands for
 * 2^32. What matters of it is that it is a multiple of the ring's size, at least twice
 * that. With 8 the indices do not come round between two interrupts; with 4 they can.
 */
#ifndef SIZE
#define SIZE	2
#endif
#ifndef MODULUS
#define MODULUS	8
#endif
#ifndef FIRST
#define FIRST	6
#endif

/* -- removals ------------------------------------------------------------- */

/*
 * For each: its number, then the settings with which it is found, then what it is.
 */
/* barriers */
#define PRODUCED_N	1	/* FSYNCS=0 | tell_prod: no barrier between index and wish */
#define CONSUMED_N	2	/* FSYNCS=0 | tell_cons: no barrier between index and wish */
#define READABLE_N	3	/* FSYNCS=0 | ask_prod: no barrier between wish and second look */
#define ASK_CONS_N	4	/* FSYNCS=0 | ask_cons: no barrier between wish and second look */
#define PRODUCED_P	5	/* WEAK=1 | tell_prod: no barrier between bytes and index */
#define LOOK_PROD_P	6	/* WEAK=1 | look_prod: no barrier between index and bytes */
#define CONSUMED_C	7	/* WEAK=1 | tell_cons: no barrier between bytes and index */
#define LOOK_CONS_C	8	/* WEAK=1 | look_cons: no barrier between index and new bytes */
/* second looks */
#define READABLE_LOOK	9	/* FSYNCS=0 | ask_prod: no second look */
#define ASK_CONS_LOOK	10	/* FSYNCS=0 | ask_cons: no second look */
#define ONCE_MORE	13	/* EDGE=1 | file_read: a short read does not look once more */
/* which index is asked for */
#define READABLE_NEXT	14	/* FSYNCS=0 | ask_prod: asks for the byte before the next */
#define HALF_OF_SPACE	15	/* FSYNCS=0 | stream_look_cons: asks for the space that there is */
#define SYNC_ASKS	11	/* FSYNCS=1 | stream_look_cons: asks only if the ring is full, even for a task in fsync */
#define SYNC_NEXT	12	/* FSYNCS=1 | stream_look_cons: asks for the byte before the next while somebody is in fsync */
#define WRITER_HALF	16	/* FSYNCS=1 QUITS=1 | stream_look_cons: a writer asks for half of the space while somebody is in fsync */
#define PASSED		18	/* FSYNCS=0 | mydevice_passed: an index counts only if a move ends there */
/* sleeping and waking */
#define WRITER_FINDS	17	/* FSYNCS=1 STOPS=1 | stream_look_cons: what a writer finds wakes nobody in fsync */
#define SYNC_FINDS	23	/* FSYNCS=1 STOPS=1 | stream_look_cons: what one in fsync finds wakes no writer */
#define FIRST_FINDS	25	/* FSYNCS=1 STOPS=1 | stream_look_cons: what the first look finds wakes nobody */
#define SECOND_FINDS	26	/* FSYNCS=1 STOPS=1 | stream_look_cons: what the second look finds wakes nobody */
#define FOUND_NOTHING	27	/* CIRCLES=1 FSYNCS=1 | stream_look_cons: wakes though it found nothing new */
#define COUNTED		28	/* FSYNCS=1 | file_fsync: nobody knows that it waits */
#define SEEN_FIRST	19	/* FSYNCS=0 | file_read, file_write: the counter of wake-ups is read after the look */
#define WAKE_ALL	20	/* FSYNCS=1 | stream_wake: wakes one of those who wait for space and in fsync */
#define BOTH_QUEUES	29	/* FSYNCS=0 | stream_event: wakes those who wait for bytes, and nobody else */
#define EVERY_EVENT	24	/* ROUND=1 BYTES=4 | stream_event: wakes only if an index differs from the last interrupt's */
#define READ_ALIVE	21	/* DIES=1 | stream_look_alive: does not look whether the other end is alive */
#define ALIVE_FIRST	22	/* DIES=1 | the dead one's kernel notifies before it writes alive */

/* What is told when a trace is played: ./pan -S. A word is one of those under "memory". */
#define TELL(what)	printf what

byte without;
bool weak, edge, stops, dies, quits, whole;
byte syncers;
byte bytes, fsyncs;

c_decl {
	static int setting(const char *name)
	{
		const char *value = getenv(name);

		return value ? atoi(value) : 0;
	}
}

/* -- memory --------------------------------------------------------------- */

/*
 * What both ends see. Each task writes through a buffer of its own (a task is taken to
 * have a processor of its own), and what it wrote reaches the memory some time later:
 *
 * TSO, the memory of x86: in order. A full barrier waits until the buffer is empty; the
 * other barriers do nothing.
 *
 * The weaker memory: in any order, but for writes to the same place and for writes with
 * a write barrier between them; and the bytes of the ring may be read before the index
 * that is read before them, or after the index that is written after them, if no
 * barrier is between.
 */
#define PROD		0
#define CONS		1
#define PROD_EVENT	2
#define CONS_EVENT	3
#define ALIVE		4
#define RING		5	/* and as many as there are bytes: */
#define RING_1		6
#define RING_2		7
#define RING_3		8

byte memory[RING + SIZE];

#define WRITER		0
#define FSYNC		1	/* and 2 */
#define READER		3
#define TASKS		4

chan buffer[TASKS] = [2 * SIZE + 4] of { byte, byte, byte };	/* where, what, epoch */
byte epoch[TASKS];
hidden int k, n;	/* within a step */

/* Bytes that the reader has read too early, or is still to read; the weaker memory. */
bool early;
byte early_ring[SIZE];
byte late, late_at;

/* A guess of look_cons that is still to be confirmed; only without LOOK_CONS_C. */
bool guessed;
byte guess;

bool wrong;	/* a byte is not the one that was written, or an index is none that could be */

#define DISTANCE(to, from)	(((to) - (from)) & (MODULUS - 1))
#define PLUS(index, n)		(((index) + (n)) & (MODULUS - 1))

#define write(task, where, what)	buffer[task]!where, what, epoch[task]

#define mb(task)	(len(buffer[task]) == 0 && (task != READER || !late))

inline wmb(task)
{
	if
	:: weak && len(buffer[task]) > 0 -> epoch[task] = (epoch[task] + 1) & 3
	:: else
	fi
}

/* What a byte must be is its index, so a byte of a former round is a wrong one. */
inline must_be(was_early, at, n)
{
	for (k : 0 .. n - 1) {
		wrong = wrong || PLUS(at, k) != (was_early -> early_ring[PLUS(at, k) % SIZE] :
						memory[RING + PLUS(at, k) % SIZE])
	}
}

#define CAN_BE_FIRST(where)						\
	:: weak && buffer[task]??[where, what, eval(when)] ->		\
		buffer[task]??where, what, eval(when);			\
		memory[where] = what;					\
		TELL(("memory: word %d of the page becomes %d\n", where, what))

/* A processor's way to memory. */
proctype way_to_memory(byte task)
{
	byte where, what, when;

	do
	:: atomic { !weak && len(buffer[task]) > 0 ->
		buffer[task]?where, what, when;
		memory[where] = what;
		TELL(("memory: word %d of the page becomes %d\n", where, what));
		where = 0; what = 0; when = 0 }
	:: atomic { weak && len(buffer[task]) > 0 ->
		buffer[task]?<where, what, when>;	/* the oldest epoch */
		if
		CAN_BE_FIRST(PROD)
		CAN_BE_FIRST(CONS)
		CAN_BE_FIRST(PROD_EVENT)
		CAN_BE_FIRST(CONS_EVENT)
		CAN_BE_FIRST(RING)
		CAN_BE_FIRST(RING_1)
#if SIZE > 2
		CAN_BE_FIRST(RING_2)
		CAN_BE_FIRST(RING_3)
#endif
		fi;
		where = 0; what = 0; when = 0 }
	:: atomic { task == READER && late ->
		must_be(false, late_at, late);
		late = 0; late_at = 0 }
	:: atomic { task == WRITER && guessed && memory[CONS] == guess ->
		guessed = false; guess = 0 }
	od
}

/* -- what an end keeps for itself, and its sleepers ------------------------- */

byte tx_prod = FIRST, tx_cons = FIRST, bytes_sent;
byte rx_prod = FIRST, rx_cons = FIRST;
byte seen_prod = FIRST, seen_cons = FIRST;	/* of the two interrupts; only without EVERY_EVENT */
byte write_lock;
bool syncs, moved;		/* stream_look_cons: of its caller, who has the lock */
bool closed, dead, reader_stopped;
bool done[TASKS];
byte goal[TASKS];		/* file_fsync: as there, 0 before the first look */

/*
 * "The counter of wake-ups is not what it was seen to be." A counter of 32 bits is as
 * good as this; one that could wrap while somebody falls asleep would not be.
 */
bool woken[TASKS];

/* The event channel: at each end a bit that says that an event is to be handled. */
bool pending_at_writer, pending_at_reader;

#define notify_writer	mb(READER) -> pending_at_writer = true
#define notify_reader	mb(WRITER) -> pending_at_reader = true

/* stream_wake, of the end that writes: nobody sleeps for bytes there. */
inline wake()
{
	woken[WRITER] = true;
	if
	:: without == WAKE_ALL && !done[WRITER]
	:: else ->
		woken[FSYNC] = true;
		woken[FSYNC + 1] = true
	fi
}

/* -- the end that writes ---------------------------------------------------- */

/* It is settled before one sleeps: who can always go on is never left asleep. */
#define MAY_QUIT	if :: quits -> goto over :: true fi

/*
 * Steps. Each "atomic" is one access to what others see too, with what the task then
 * does for itself. A barrier stands within: who has to wait there is not atomic any
 * more. Taking a lock may be one step with what follows, giving it back with what was
 * before; and so may reading the counter of wake-ups: one that came between it and the
 * look would only have the task look once more. (A "goto" from one atomic to another
 * would make one step of both; "turn" prevents that.)
 *
 * The lock's barriers: who takes it sees what was written under it. On x86 the own
 * writes are done by then, too.
 */
#define turn	true

#define UNDER_LOCK(task)	(task == me && weak || len(buffer[task]) == 0)

inline lock()
{
	!write_lock && UNDER_LOCK(WRITER) && UNDER_LOCK(FSYNC) && UNDER_LOCK(FSYNC + 1);
	write_lock = 1;
	/* seen = atomic_read(&stream->wakeups) */
	woken[me] = woken[me] && without == SEEN_FIRST
}

inline unlock()
{
	write_lock = 0
}

#define tx_used		DISTANCE(tx_prod, tx_cons)
#define tx_free		(SIZE - tx_used)
#define synced(goal)	(bytes_sent - tx_used >= goal)
#define space_event	(without == HALF_OF_SPACE -> tx_cons : DISTANCE(tx_prod, SIZE / 2))
#define passed(event, before, after)						\
	(without == PASSED -> event == after :					\
		DISTANCE(after, event) < DISTANCE(after, before))

/*
 * barrier: look_cons virt_mb (C)
 * It pairs with the one in tell_cons. Without it a processor that guesses right
 * may write new bytes before it has read that there is space.
 */
inline look_cons()
{
	!guessed;
	if
	:: without == LOOK_CONS_C && weak && tx_used ->
		tx_cons = PLUS(tx_cons, 1);
		guess = tx_cons;
		guessed = true
	:: else ->
		wrong = wrong || DISTANCE(memory[CONS], tx_cons) > tx_used;
		moved = moved || syncs && memory[CONS] != tx_cons;
		tx_cons = memory[CONS]
	fi;
	TELL(("writer: looks: cons is %d\n", tx_cons));
	(without == LOOK_CONS_C || mb(me))
}

/* stream_look_cons, which has these steps: the first look, */
inline first_look()
{
	syncs = syncers > 0;
	look_cons();
	moved = moved && without != FIRST_FINDS
}

/* the wish, if there is one, */
#define asks	(!tx_free || syncs && without != SYNC_ASKS)
#define wish								\
	(!syncs || without == WRITER_HALF && me == WRITER -> space_event :	\
		(without == SYNC_NEXT -> tx_cons : PLUS(tx_cons, 1)))

inline ask_cons()
{
	write(me, CONS_EVENT, wish);
	TELL(("writer: writes cons_event %d\n", wish))
}

/*
 * then the second look,
 * barrier: ask_cons virt_mb (N)
 * It pairs with the one in tell_cons between index and wish.
 */
inline second_look()
{
	if
	:: without == ASK_CONS_LOOK
	:: without == SECOND_FINDS -> wake_if_moved(); mb(me); look_cons()
	:: else -> (without == ASK_CONS_N || mb(me)); look_cons()
	fi
}

/*
 * and if either has found a move, all are woken: a wish that was reached may have been
 * replaced before the other end has read it, and then it does not notify.
 */
#define counts	(!(without == WRITER_FINDS && me == WRITER) &&		\
		 !(without == SYNC_FINDS && me != WRITER))

inline wake_if_moved()
{
	if
	:: moved && counts || syncs && without == FOUND_NOTHING -> wake()
	:: else
	fi;
	syncs = false; moved = false
}

/*
 * The bytes and then the index. What can be put is put.
 * barrier: tell_prod virt_wmb (P)
 * It pairs with the one in look_prod.
 */
inline put()
{
	n = (want < tx_free -> want : tx_free);
	want = 0;
	before = tx_prod;
	for (k : 0 .. n - 1) {
		write(WRITER, RING + PLUS(tx_prod, k) % SIZE, PLUS(tx_prod, k))
	}
	left = left - n;
	bytes_sent = bytes_sent + n;
	tx_prod = PLUS(tx_prod, n);
	if
	:: without != PRODUCED_P -> wmb(WRITER)
	:: else
	fi;
	write(WRITER, PROD, tx_prod);
	TELL(("writer: writes the bytes, and prod %d\n", tx_prod))
}

/* file_write, stream_put, stream_writable and tell_prod. */
proctype writer()
{
	byte left = bytes, want, before;
	byte me = WRITER;

write:	turn;
	atomic {
		if
		:: !left || closed || quits && bytes_sent -> goto over
		:: left && !closed
		fi;
		if			/* one write(2): of a byte, or of all */
		:: !whole || left == 1 -> want = 1
		:: left > 1 -> want = left
		fi;
		lock();
		if
		:: closed -> unlock(); goto over
		:: tx_free >= want -> put(); goto produced
		:: else
		fi;
		first_look();
		if
		:: asks -> ask_cons()
		:: else -> wake_if_moved(); put(); goto produced
		fi
	}
	atomic {
		second_look();
		wake_if_moved();
		if
		:: tx_free -> put(); goto produced
		:: else -> want = 0; unlock()
		fi
	}
	if
	:: without == SEEN_FIRST -> woken[WRITER] = false
	:: else
	fi;
	atomic { MAY_QUIT; TELL(("writer: sleeps\n")) };
	atomic { woken[WRITER] -> TELL(("writer: is woken\n")); goto write }

produced:
	turn;
	/*
	 * The other end's wish, after the index.
	 * barrier: tell_prod virt_mb (N)
	 * It pairs with the one in ask_prod between wish and second look.
	 */
	atomic {
		(without == PRODUCED_N || mb(WRITER));
		TELL(("writer: looks: prod_event is %d\n", memory[PROD_EVENT]));
		if
		:: passed(memory[PROD_EVENT], before, tx_prod) -> before = 0
		:: else -> before = 0; unlock(); goto write
		fi
	}
	atomic { notify_reader; TELL(("writer: notifies\n")); unlock(); goto write }
over:
	done[WRITER] = true
}

/* file_fsync and stream_synced. */
proctype fsync(byte me)
{
	atomic { syncers = syncers + (without != COUNTED) };
look:	atomic {
		lock();
		if
		:: !goal[me] -> goal[me] = bytes_sent
		:: else
		fi;
		if
		:: closed -> unlock(); goto over
		:: else
		fi;
		first_look();
		if
		:: asks -> ask_cons()
		:: else -> goto looked
		fi
	}
	atomic {
		second_look();
looked:		wake_if_moved();
		unlock();
		if
		:: synced(goal[me]) -> goto over
		:: else
		fi
	}
	atomic { MAY_QUIT; TELL(("fsync: sleeps\n")) };
	atomic { woken[me] -> TELL(("fsync: is woken\n")); goto look }
over:
	atomic { syncers = syncers - (without != COUNTED); done[me] = true }
}

/*
 * interrupt and stream_event, of the end that writes. It wakes the sleepers: that an index
 * has moved is no condition, and only without EVERY_EVENT it looks.
 */
proctype interrupt_at_writer()
{
	do
	:: atomic { pending_at_writer -> pending_at_writer = false };
	   if
	   :: atomic { dies && !memory[ALIVE] && without != READ_ALIVE ->
		/* queue_work(..., &node->death): stream_stop */
		!write_lock; closed = true; wake() }
	   :: atomic { !dies || memory[ALIVE] || without == READ_ALIVE }
	   fi;
	   atomic {
		if
		:: without == BOTH_QUEUES
		:: without == EVERY_EVENT && memory[CONS] == seen_cons
		:: without == EVERY_EVENT && memory[CONS] != seen_cons ->
			seen_cons = memory[CONS]; wake()
		:: without != BOTH_QUEUES && without != EVERY_EVENT -> wake()
		fi
	   }
	od
}

/* -- the end that reads ----------------------------------------------------- */

#define rx_used		DISTANCE(rx_prod, rx_cons)

/* What the processor may have read of the ring before the index. */
inline read_early()
{
	if
	:: weak && !early ->
		for (k : 0 .. SIZE - 1) {
			early_ring[k] = memory[RING + k]
		}
		early = true
	:: true
	fi
}

/*
 * barrier: look_prod virt_rmb (P)
 * It pairs with the one in tell_prod. Bytes that were read before it do not count.
 */
inline look_prod()
{
	wrong = wrong || DISTANCE(memory[PROD], rx_prod) > SIZE - rx_used;
	rx_prod = memory[PROD];
	TELL(("reader: looks: prod is %d\n", rx_prod));
	if
	:: early && without != LOOK_PROD_P ->
		early = false;
		for (k : 0 .. SIZE - 1) {
			early_ring[k] = 0
		}
	:: else
	fi
}

/*
 * What is there is taken: read now or, by a processor that is not told otherwise, later.
 * barrier: tell_cons virt_mb (C)
 * It pairs with the one in look_cons.
 */
inline take()
{
	n = (want < rx_used -> want : rx_used);
	if
	:: early -> must_be(true, rx_cons, n)
	:: !early -> must_be(false, rx_cons, n)
	:: weak && !early && !late -> late = n; late_at = rx_cons
	fi;
	before = rx_cons;
	left = left - n;
	rx_cons = PLUS(rx_cons, n);
	(without == CONSUMED_C || mb(READER));
	write(READER, CONS, rx_cons);
	TELL(("reader: takes the bytes, and writes cons %d\n", rx_cons))
}

/*
 * file_read, stream_take, stream_readable, ask_prod and tell_cons.
 *
 * One who does not block and waits for an edge of epoll has taken note of all edges so
 * far when it begins to read, not each time that it looks.
 */
proctype reader()
{
	byte left = bytes, want, before;

read:	turn;
	atomic {
		if
		:: !left -> goto over
		:: left && stops -> reader_stopped = true; goto over
		:: left && dies -> goto dying
		:: left
		fi;
		if
		:: want = 1
		:: left > 1 || edge -> want = SIZE + 1		/* more than there ever is */
		fi;
		if		/* seen = atomic_read(&stream->wakeups) */
		:: !edge && without != SEEN_FIRST -> woken[READER] = false
		:: else
		fi;
		if
		:: rx_used >= want -> take(); goto consumed
		:: rx_used < want && weak -> read_early()
		:: rx_used < want && !weak -> goto look
		fi
	}
look:	atomic {
		look_prod();
		if
		:: rx_used -> take(); goto consumed
		:: else
		fi;
		write(READER, PROD_EVENT,
		      (without == READABLE_NEXT -> rx_cons : PLUS(rx_cons, 1)));
		TELL(("reader: writes prod_event %d\n", PLUS(rx_cons, 1)));
		if
		:: without == READABLE_LOOK -> goto sleep
		:: without != READABLE_LOOK && weak
		:: without != READABLE_LOOK && !weak -> goto look_again
		fi
	}
	/*
	 * The second look, after the wish.
	 * barrier: ask_prod virt_mb (N)
	 * It pairs with the one in tell_prod between index and wish.
	 */
	atomic { (without == READABLE_N || mb(READER)) -> read_early() }
look_again:
	turn;
	atomic {
		(without == READABLE_N || mb(READER));
		look_prod();
		if
		:: rx_used -> take(); goto consumed
		:: else
		fi
	}
sleep:	turn;
	atomic {
		want = 0;
		if
		:: without == SEEN_FIRST -> woken[READER] = false
		:: else
		fi;
		TELL(("reader: sleeps\n"))
	}
	if
	:: atomic { woken[READER] -> TELL(("reader: is woken\n")); woken[READER] = !edge; goto read }
	:: dies -> goto dying
	fi;

consumed:
	turn;
	/*
	 * The other end's wish, after the index.
	 * barrier: tell_cons virt_mb (N)
	 * It pairs with the one in ask_cons between wish and second look.
	 */
	atomic {
		(without == CONSUMED_N || mb(READER));
		TELL(("reader: looks: cons_event is %d\n", memory[CONS_EVENT]));
		if
		:: passed(memory[CONS_EVENT], before, rx_cons) -> before = 0
		:: else -> before = 0; goto consumed_all
		fi
	}
	atomic {
		notify_writer;
		TELL(("reader: notifies\n"));
consumed_all:	if
		:: edge && want > 1 && left && without == ONCE_MORE -> goto sleep
		:: else -> want = 0; goto read
		fi
	}

dying:	/* What its kernel does when it unmaps the index page. */
	dead = true;
	if
	:: without == ALIVE_FIRST ->
		atomic { notify_writer };
		memory[ALIVE] = 0
	:: without != ALIVE_FIRST ->
		atomic { mb(READER) -> memory[ALIVE] = 0 };
		pending_at_writer = true
	fi;
over:
	done[READER] = true
}

/* interrupt and stream_event, of the end that reads. */
proctype interrupt_at_reader()
{
	do
	:: atomic { pending_at_reader -> pending_at_reader = false };
	   atomic {
		if
		:: without == EVERY_EVENT && memory[PROD] == seen_prod
		:: without == EVERY_EVENT && memory[PROD] != seen_prod ->
			seen_prod = memory[PROD]; woken[READER] = true
		:: without != EVERY_EVENT -> woken[READER] = true
		fi
	   }
	od
}

/* -- what must be so ---------------------------------------------------------- */

/*
 * When nothing can move any more, who sleeps must have reason to. A writer that finds
 * no space has reason until half of the ring is free: that is what it asks for.
 */
#define is_ahead(goal)	(bytes_sent - DISTANCE(tx_prod, memory[CONS]) < goal)

proctype judge()
{
	timeout;
	if
	:: guessed -> goto over		/* a wrong guess: none of this happened */
	:: else
	fi;
	assert(!wrong);
	assert(!write_lock);
	assert(done[READER] || quits && done[WRITER] && rx_cons == tx_prod);
	assert(done[WRITER] ||
	       reader_stopped && DISTANCE(tx_prod, memory[CONS]) > SIZE / 2);
	assert(fsyncs < 1 || done[FSYNC] ||
	       reader_stopped && is_ahead(goal[FSYNC]));
	assert(fsyncs < 2 || done[FSYNC + 1] ||
	       reader_stopped && is_ahead(goal[FSYNC + 1]));
over:
	true
}

init {
	atomic {
		c_code {
			now.without = setting("WITHOUT");
			now.weak = setting("WEAK");
			now.edge = setting("EDGE");
			now.stops = setting("STOPS");
			now.dies = setting("DIES");
			now.quits = setting("QUITS");
			now.whole = setting("WHOLE");
			now.bytes = setting("BYTES");
			now.fsyncs = setting("FSYNCS");
		};
		memory[PROD] = FIRST;
		memory[CONS] = FIRST;
		memory[ALIVE] = 1;
		run way_to_memory(WRITER);
		run way_to_memory(READER);
		run writer();
		run reader();
		run interrupt_at_writer();
		run interrupt_at_reader();
		if
		:: fsyncs > 0 -> run way_to_memory(FSYNC); run fsync(FSYNC)
		:: else
		fi;
		if
		:: fsyncs > 1 -> run way_to_memory(FSYNC + 1); run fsync(FSYNC + 1)
		:: else
		fi;
		run judge()
	}
}
