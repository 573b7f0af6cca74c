// SPDX-License-Identifier: MIT
//
// hello.c in C++17. Attributes are arguments here as well; what the library needs of C99 it does without.
#include "tel.h"

#include <cstdio>
#include <stdexcept>
#include <string>

TEL_COUNTER(resized, "images.resized", "{image}", "Images resized.", "format");

// A span ends when its scope is left, by an exception too.
static void resize(const std::string &file, int width)
{
	TEL_SPAN(span, "resize image", TEL_INTERNAL);
	tel_span_set(span, tel_str("file.name", file.c_str()), tel_int("image.width", width));
	if (width <= 0) {
		tel_span_fail(span, "std::invalid_argument");
		throw std::invalid_argument("an image has a width");
	}
	tel_counter_add(&resized, 1, "png");
	tel_info("image resized", tel_str("file.name", file.c_str()), tel_int("image.width", width));
}

int main()
{
	tel_config config{};
	config.service_name = "hello-cpp";
	if (tel_init(&config)) {
		std::fputs("telemetry does not start\n", stderr);
		return 1;
	}
	for (int width : {640, 0}) {
		try {
			resize("cat.png", width);
		} catch (const std::exception &error) {
			tel_error("image was not resized", tel_str("exception.message", error.what()));
		}
	}
	tel_shutdown(5000);
}
