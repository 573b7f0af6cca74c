/* SPDX-License-Identifier: MIT */
/* The life cycle of the library. Internal to tel/; the interface for programs is in tel.h. */
#ifndef TEL_INIT_H
#define TEL_INIT_H

/* For a forked child, where tel_init may be called again. */
void init_in_child(void);

#endif
