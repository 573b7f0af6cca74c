/* SPDX-License-Identifier: MIT */
/* The life cycle of the library. Internal to tel/; what others see is in tel.h. */
#ifndef TEL_INIT_H
#define TEL_INIT_H

/* In a forked child: tel_init may be called. */
void init_in_child(void);

#endif
