// Dies by an exception that nobody catches.
//
// The story: SIGABRT; abort <- std::terminate <- __cxa_throw <- bank::Account::withdraw <- bank::pay <- main. The
// throwing frames are intact, since no handler was found and nothing was unwound.
#include <stdexcept>
#include <string>

namespace bank {

class Account {
public:
    explicit Account(int balance) : balance_(balance) {}

    void withdraw(int amount)
    {
        if (amount > balance_)
            throw std::runtime_error("short by " + std::to_string(amount - balance_));
        balance_ -= amount;
    }

private:
    int balance_;
};

int pay(Account &account, int amount)
{
    account.withdraw(amount);
    return amount;
}

} // namespace bank

int main()
{
    bank::Account account(10);
    return bank::pay(account, 25);
}
