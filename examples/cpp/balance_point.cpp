// From outcomes to a balance point with an interval; needs modalconflict::core alone.
#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/relative_uncertainty.hpp>

#include <cstdio>
#include <vector>

int main() {
    // Entropies (nats) of the text-only and the vision-only run of eight cases, and whether the joint run followed the text.
    const std::vector<double> h_text = {0.1, 0.2, 0.3, 0.5, 0.8, 0.9, 1.2, 1.4};
    const std::vector<double> h_vision = {1.3, 1.1, 0.9, 0.7, 0.6, 0.4, 0.2, 0.1};
    const std::vector<double> follow_text = {1, 1, 1, 1, 0, 1, 0, 0};
    std::vector<double> x(h_text.size());
    modalconflict::relative_uncertainty(h_text, h_vision, modalconflict::ZeroPolicy::raise, x);
    const auto point = modalconflict::balance_point(x, follow_text, {}, {.method = modalconflict::BalanceMethod::cir});
    std::printf("balance point %.2f, 95 %% interval [%.2f, %.2f]\n", point.estimate, point.low, point.high);
}
