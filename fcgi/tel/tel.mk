# SPDX-License-Identifier: MIT
# How others get the telemetry library. The Makefile includes this, and so does the one of the Debian source package,
# which has nothing else. Both stand in the directory that has fcgi/.
#
# Settings: PREFIX, DESTDIR and LIBDIR say where install-tel puts it; TEL_CC, TEL_CFLAGS and TEL_LDFLAGS how it is
# compiled; TEL_OUT where it is built.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
TEL_CC ?= $(CC)
TEL_CFLAGS ?= -O2 -g -fstack-protector-strong
# A tenth of the speed for a tenth of the size: the shared library is to stay below 150 kB.
TEL_SMALL ?= -falign-functions=1 -falign-jumps=1 -falign-loops=1 -fno-inline-small-functions
TEL_LDFLAGS ?= -Wl,-z,relro,-z,now,-z,noseparate-code
TEL_OUT ?= build/tel

TEL_SRC := $(wildcard fcgi/tel/src/*.c)
TEL_FROM := $(TEL_SRC) $(wildcard fcgi/tel/src/*.h fcgi/tel/include/tel/*.h fcgi/base/*.[ch]) fcgi/tel/amalgamate
TEL_HEADERS := fcgi/tel/include/tel/tel.h fcgi/tel/include/tel/ship.h
TEL_VERSION := $(shell sed -n 's/^.define TEL_VERSION "\(.*\)"/\1/p' fcgi/tel/include/tel/tel.h)
TEL_MAJOR := $(firstword $(subst ., ,$(TEL_VERSION)))
TEL_SO := libtel.so.$(TEL_VERSION)
TEL_SONAME := libtel.so.$(TEL_MAJOR)
# The day of the release, which the manual shows.
TEL_DATE = $(shell date -u -d "$$(sed -n 's/^ -- .*>  //p' fcgi/tel/debian/changelog | head -n 1)" +%Y-%m-%d)
TEL_FILL = sed 's|@VERSION@|$(TEL_VERSION)|g; s|@MAJOR@|$(TEL_MAJOR)|g; s|@PREFIX@|$(PREFIX)|g; s|@LIBDIR@|$(LIBDIR)|g; \
	s|@INCLUDE_FROM_LIB@|$(shell realpath -m --relative-to=$(LIBDIR) $(PREFIX)/include)|g'

.PHONY: tel-dist tel-lib tel-man install-tel tel-deb tel-abi
tel-dist: $(TEL_OUT)/tel.c ## write the telemetry library as files to copy: build/tel/tel.c, tel.h, ship.h
	@cp LICENSE $(TEL_OUT)
$(TEL_OUT)/tel.c: $(TEL_FROM)
	@fcgi/tel/amalgamate $(@D)

# One object for both: code that may go into a shared library may go anywhere.
$(TEL_OUT)/tel.o: $(TEL_OUT)/tel.c $(TEL_OUT)/flags
	@echo "  CC   $@"; $(TEL_CC) $(TEL_CFLAGS) $(TEL_SMALL) -fPIC -fvisibility=hidden -c -o $@ $<
$(TEL_OUT)/libtel.a: $(TEL_OUT)/tel.o
	@rm -f $@
	@echo "  AR   $@"; ar rcs $@ $^
# What the headers declare, and nothing else, under a name that changes when programs have to be built anew.
$(TEL_OUT)/libtel.map: $(TEL_HEADERS)
	@mkdir -p $(@D)
	@{ echo 'LIBTEL_$(TEL_MAJOR) {'; echo 'global:'; \
		sed -n 's/^TEL_API [^([]*\(tel_[a-z0-9_]*\)[([].*/	\1;/p' $(TEL_HEADERS) | LC_ALL=C sort; \
		echo 'local:'; echo '	*;'; echo '};'; } >$@
# nodelete: its threads and what ends with a thread have no use for a dlclose.
$(TEL_OUT)/$(TEL_SO): $(TEL_OUT)/tel.o $(TEL_OUT)/libtel.map
	@echo "  LINK $@"; $(TEL_CC) $(TEL_CFLAGS) -shared -o $@ $< -Wl,-soname,$(TEL_SONAME) \
		-Wl,--version-script=$(TEL_OUT)/libtel.map -Wl,-z,defs,-z,nodelete -Wl,--as-needed $(TEL_LDFLAGS) -lcurl -lz -lm -pthread
# Changes when what is compiled with does. FORCE is phony, because of the .SECONDARY that makes all targets intermediate.
.PHONY: FORCE
$(TEL_OUT)/flags: FORCE
	@mkdir -p $(@D); echo '$(subst ','\'',$(TEL_CC) $(TEL_CFLAGS) $(TEL_SMALL) $(TEL_LDFLAGS))' >$@.new; \
		if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
tel-lib: $(TEL_OUT)/libtel.a $(TEL_OUT)/$(TEL_SO)

tel-man: $(TEL_OUT)/man3/tel.3
$(TEL_OUT)/man3/tel.3: $(TEL_HEADERS) fcgi/tel/manual fcgi/tel/debian/changelog
	@rm -rf $(@D)
	@fcgi/tel/manual $(@D) $(TEL_VERSION) $(TEL_DATE) $(TEL_HEADERS)

# tel.h and ship.h stand in one directory: #include "tel.h" and #include <tel/tel.h> both find them.
install-tel: tel-lib tel-man ## install the telemetry library below PREFIX (/usr/local): headers, both libraries, manual
	@install -d $(DESTDIR)$(PREFIX)/include/tel $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/tel \
		$(DESTDIR)$(PREFIX)/share/man/man3
	@install -m 644 $(TEL_OUT)/tel.h $(TEL_OUT)/ship.h $(DESTDIR)$(PREFIX)/include/tel
	@install -m 644 $(TEL_OUT)/libtel.a $(TEL_OUT)/$(TEL_SO) $(DESTDIR)$(LIBDIR)
	@ln -sf $(TEL_SO) $(DESTDIR)$(LIBDIR)/$(TEL_SONAME)
	@ln -sf $(TEL_SONAME) $(DESTDIR)$(LIBDIR)/libtel.so
	@$(TEL_FILL) fcgi/tel/pkg/tel.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/tel.pc
	@for file in tel-config tel-config-version; do \
		$(TEL_FILL) fcgi/tel/pkg/$$file.cmake.in >$(DESTDIR)$(LIBDIR)/cmake/tel/$$file.cmake; done
	@chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/tel.pc $(DESTDIR)$(LIBDIR)/cmake/tel/*
	@install -m 644 $(TEL_OUT)/man3/* $(DESTDIR)$(PREFIX)/share/man/man3

# The library's part of the repository. dpkg-buildpackage -us -uc in there makes libtel0 and libtel-dev of it.
TEL_DEB := $(TEL_OUT)/libtel-$(TEL_VERSION)
tel-deb: ## write a Debian source package of the telemetry library: build/tel/libtel-VERSION
	@rm -rf $(TEL_DEB)
	@mkdir -p $(TEL_DEB)
	@cp --parents -R fcgi/tel fcgi/base LICENSE $(TEL_DEB)
	@rm -rf $(TEL_DEB)/fcgi/tel/debian
	@{ echo '# SPDX-License-Identifier: MIT'; echo '.DEFAULT_GOAL := tel-lib'; echo 'include fcgi/tel/tel.mk'; } \
		>$(TEL_DEB)/Makefile
	@mkdir $(TEL_DEB)/fcgi/tel/debian
	@cp fcgi/tel/debian/changelog $(TEL_DEB)/fcgi/tel/debian
	@tar -C $(TEL_OUT) --sort=name --owner=0 --group=0 --numeric-owner --mtime=$(TEL_DATE) -cJf \
		$(TEL_OUT)/libtel_$(TEL_VERSION).orig.tar.xz libtel-$(TEL_VERSION)
	@cp -R fcgi/tel/debian $(TEL_DEB)/debian
	@echo "$(TEL_DEB): dpkg-buildpackage -us -uc"

# What programs that are built already rely on: names, sizes, types. Kept, so that make lint sees what would break them.
TEL_ABI := fcgi/tel/abi/$(TEL_SONAME).abi
TEL_ABI_RULES := --suppressions fcgi/tel/abi/opaque.suppr
tel-abi: $(TEL_OUT)/$(TEL_SO) ## keep the library's interface as it is now, for make lint and for Debian's symbols file
	@abidw $(TEL_ABI_RULES) --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs \
		$< >$(TEL_ABI).new && mv $(TEL_ABI).new $(TEL_ABI)
	@{ echo '$(TEL_SONAME) libtel$(TEL_MAJOR) #MINVER#'; echo ' LIBTEL_$(TEL_MAJOR)@LIBTEL_$(TEL_MAJOR) $(TEL_MAJOR)'; \
		sed -n 's/^\t\(tel_.*\);/ \1@LIBTEL_$(TEL_MAJOR) $(TEL_VERSION)/p' $(TEL_OUT)/libtel.map; } \
		>fcgi/tel/debian/libtel$(TEL_MAJOR).symbols
# New names are welcome; what changes or goes is not.
.PHONY: check-tel-abi
check-tel-abi: $(TEL_OUT)/$(TEL_SO)
	@[ "$$(uname -m)" = x86_64 ] || { echo "$(TEL_ABI) is of x86_64: not checked here"; exit 0; }; \
	abidiff $(TEL_ABI_RULES) --exported-interfaces-only --no-added-syms $(TEL_ABI) $< || { \
		echo "the interface of libtel has changed: programs built with it may break (HACKING.md, make tel-abi)" >&2; false; }

# The figures in fcgi/tel/README.md, on this machine.
.PHONY: tel-cost
tel-cost: tel-lib ## measure what a span, a metric and a log line cost with the telemetry library
	@$(TEL_CC) $(TEL_CFLAGS) -I$(TEL_OUT) -o $(TEL_OUT)/cost tests/tel/programs/cost.c $(TEL_OUT)/libtel.a \
		-lcurl -lz -lm -pthread
	@$(TEL_OUT)/cost 2>/dev/null
	@strip -o $(TEL_OUT)/stripped $(TEL_OUT)/$(TEL_SO)
	@wc -c <$(TEL_OUT)/stripped | sed 's/^/$(TEL_SO), stripped: bytes /'
