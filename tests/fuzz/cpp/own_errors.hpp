#pragma once

#include <modalconflict/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace modalconflict::fuzz {

/// Ends the program, which the fuzzer records as a finding.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzzer: %s\n", what);
    std::abort();
}

/// Whether a message can be shown as it is: every byte belongs to a UTF-8 sequence.
inline bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
        if (length == 0 || i + length > text.size()) return false;
        for (std::size_t k = 1; k < length; ++k) {
            if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return false;
        }
        i += length;
    }
    return true;
}

/// Runs a call that may refuse its input in our own words only. Any other exception leaves, which is a finding.
template <class Call>
void own_errors_only(Call&& call, bool utf8 = true) {
    std::string_view message;
    const auto check = [&](const std::exception& error) {
        message = error.what();
        require(message.size() > 10, "an error says nothing");
        if (utf8) require(is_utf8(message), "an error's message is no UTF-8");
    };
    try {
        call();
    } catch (const InvalidArgument& error) {
        check(error);
    } catch (const IoError& error) {
        check(error);
    } catch (const ModelError& error) {
        check(error);
    }
}

}  // namespace modalconflict::fuzz
