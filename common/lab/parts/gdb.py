# SPDX-License-Identifier: GPL-2.0
#
# For the debugger on the lab (common/lab/gdb), which sets module and domain, their names, and
# this, the address of the kernel's struct module. The processor runs Xen and all domains in turn, and
# an address of the module may have other code in another domain.

import gdb


def ours():
    """Is what runs now in that domain: does its memory have the module where the module is? Bytes are
    compared: what another domain has there need not be text."""
    wanted = module.encode() + b"\0"
    try:
        name = int(gdb.parse_and_eval(f"&((struct module *){this})->name"))
        return bytes(gdb.selected_inferior().read_memory(name, len(wanted))) == wanted
    except gdb.error:
        return False


def entry(where):
    """Where to stop for that function. A compiler may have put the unlikely part of it elsewhere; gdb
    gives the name to both parts, and only one of them is where the function begins."""
    symbol = gdb.lookup_static_symbol(where)
    if symbol is None:
        return where
    begins = int(symbol.value().address)
    return f"*{min(line.pc for line in gdb.decode_line(where)[1] if line.pc >= begins)}"


class Here(gdb.Breakpoint):
    """A breakpoint in that domain alone. In the processor, because a breakpoint that is written into memory
    would be written into whichever domain's the machine stopped in."""

    def __init__(self, where):
        super().__init__(entry(where), gdb.BP_HARDWARE_BREAKPOINT)

    def stop(self):
        return ours()


class HereCommand(gdb.Command):
    """here FUNCTION: stop in that function, in the module's domain alone. The processor has room
    for four."""

    def __init__(self):
        super().__init__("here", gdb.COMMAND_BREAKPOINTS, gdb.COMPLETE_LOCATION)

    def invoke(self, argument, from_tty):
        Here(argument)


class CallersCommand(gdb.Command):
    """callers: who called this, by the kernel's stack. Debian's kernel comes without what a backtrace needs
    for the kernel's own functions; of the words on the stack, these come after a call. Old calls
    that nobody has overwritten are among them."""

    def __init__(self):
        super().__init__("callers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        memory = gdb.selected_inferior()
        sp = int(gdb.parse_and_eval("(unsigned long)$sp"))
        for at in range(sp, (sp | 0x3FFF) + 1, 8):
            word = int.from_bytes(memory.read_memory(at, 8), "little")
            if word < 0xFFFFFFFF80000000:
                continue
            try:
                call = bytes(memory.read_memory(word - 5, 5))
            except gdb.error:
                continue
            symbol = gdb.execute(f"info symbol {word}", to_string=True)
            if call[0] == 0xE8 and not symbol.startswith("No symbol"):
                print(f"  {word:#x}  {symbol.split(' in section')[0]}")


def stopped(event):
    if not ours():
        print(f"(this is not {domain}, or not yet: its memory does not have {module}; backtraces may be wrong)")


def begin():
    HereCommand()
    CallersCommand()
    for function in ("probe", "otherend_changed"):
        if gdb.lookup_static_symbol(f"{module}_{function}"):
            Here(f"{module}_{function}")
    gdb.events.stop.connect(stopped)
    print(f"""
{module} in {domain}, and all other domains, stand still. It stops where it is bound to a device and
where the other end's state changes. Begin with:
    continue            then, in another terminal: make -C STAGE activate
    info args           what it was called with; print *dev, next, backtrace, callers
    here FUNCTION       stop there, too (in {domain} alone); info breakpoints
    detach, quit        the domains go on""")
