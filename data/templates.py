"""Sentence templates and slot words of the made-up moderation sample.

Every name is invented. A block holds one template a line; `{slot}` stands for one of the comma
separated words of `SLOTS`. Each split has its own templates and shares only the slot words and the
everyday sentences.
"""

SLOTS: dict[str, str] = {
    "person": (
        "Mirel, Oskan, Tavia, Brenno, Ludka, Perrin, Salwen, Jorrik, Nella, Quimo, Hedda, Rufo, "
        "Imrel, Calla, Dorrin, Wenna, Stellan, Ivka, Belmo, Fenja"
    ),
    "town": (
        "Brackwater, Ostermill, Lindenfurt, Quarrow, Harvenholt, Pellmoor, Sandrisk, Tolvane, "
        "Eastmere, Greyfold, Norrbeck, Vintrow"
    ),
    "group": (
        "the Ember Order, the Ravel Front, the Iron Lantern, the Thorn Circle, the Ashen Watch, "
        "the Crimson Oath"
    ),
    "party": (
        "the Teal League, the Harvest Party, the Open Lake Party, the Orchard Union, the Copper "
        "Alliance, the Meadow Bloc"
    ),
    "camp": (
        "Teal League voters, Harvest Party people, Orchard Union canvassers, Copper Alliance "
        "members, Meadow Bloc supporters, lake reformers, hill traditionalists, border openers"
    ),
    "house": "parliament, the council, the assembly, the senate, the lower chamber",
    "vote": "elections, ballots, free elections, referendums, public votes",
    "ruler": "one strong leader, a single commander, the marshal, one iron ruler, the old general",
    "act": (
        "the raid on the toll house, the fire at the ballot store, the attack on the ferry "
        "office, the siege of the town hall, the bombing of the radio mast, the wrecking of the "
        "council archive, the ambush at Hollow Bridge"
    ),
    "hero": "heroes, martyrs, brave souls, true patriots, legends",
    "hit": "punched, slapped, kicked, shoved, walloped, knocked down, beat up",
    "blow": "a beating, a thrashing, a hard punch, a good slap, a kick, a black eye",
    "target": (
        "the referee, that waiter, the bus driver, his neighbour, the parking warden, that loud "
        "tourist, the landlord, the ticket inspector"
    ),
    "regret": "regret it, be sorry, pay for it, get hurt, need a doctor, limp home",
    "clothes": "blouse, skirt, dress, jumper, gym outfit, swimsuit",
    "body": "legs, curves, lips, shoulders, hips",
    "colleague": (
        "the new colleague, the woman from payroll, the lady at reception, the head nurse, "
        "the man from accounts, the saleswoman"
    ),
    "fool": "clown, dimwit, numbskull, blockhead, buffoon, nitwit, dunce, twit, fool, loser",
    "dumb": "stupid, useless, pathetic, clueless, brainless, worthless, dense, ridiculous",
    "food": "lentil soup, plum cake, rye bread, mushroom stew, apple tart, barley salad",
    "day": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    "thing": "bicycle, kettle, printer, umbrella, ladder, radio, rucksack, blender",
    "place": (
        "the library, the market, the harbour, the bakery, the swimming pool, the tram stop, the "
        "community garden, the allotments"
    ),
    "season": "spring, summer, autumn, winter",
    "team": "the Otters, the Lanterns, the Millers, the Kites, the Badgers, the Comets",
    "rival": "the Herons, the Coopers, the Rockets, the Weavers, the Squirrels",
    "game": "Castle Scuffle, Marmot Raiders, Turnip Wars, Dragon Alley, Pixel Brawl",
    "praise": (
        "a noble deed, a glorious day, a brave act, a gift to us all, simply beautiful, "
        "absolutely right, well deserved"
    ),
    "cheer": "well done, bravo, hats off, full respect, great work, three cheers",
}

# Words that one kind's templates share with another kind are wanted: they keep a keyword from
# deciding a label.
LABELLED: dict[str, dict[str, str]] = {
    "anti-democratic rhetoric": {
        "train": """
Get rid of {vote} for good and let {ruler} decide everything for {town}.
{house} should be shut down forever, ordinary people were never fit to govern.
We do not need {vote}, we need {ruler} who answers to nobody.
Only {ruler} can save {town}, so abolish {house} and lock its doors.
Counting votes is a waste of time, power belongs to {ruler} alone.
Ban {party} and every other party, one party is all this country needs.
The judges and {house} stand in the way, sweep them aside and rule by decree.
Take the right to vote away from everyone who disagrees with {ruler}.
Democracy is a weakness, {town} wants obedience and {ruler} at the top.
If {party} wins the count, the army should ignore it and take over.
The constitution belongs in the stove, what {ruler} says should be the law.
Nobody should be allowed to oppose {ruler}, opposition ought to be forbidden.
Close the newspapers, dissolve {house} and give {ruler} power for life.
Let us stop pretending that {vote} matter, a dictatorship would simply work better.
Too many people may vote, only the chosen families of {town} should have a say.
Let the soldiers march into {house} and end this democratic circus once and for all.
The army must seize power in {town}, whatever the count says.
No more {vote}, no more {house}, {ruler} alone should rule us.
Make {ruler} master of the country and let everybody obey.
All parties should be forbidden, a dictatorship is what {town} needs.
""",
        "validation": """
Scrap {vote} altogether, {ruler} knows better than any crowd of voters.
I want {house} dissolved and never called again, let {ruler} govern without limits.
People are too foolish for democracy, hand all power to {ruler}.
Outlaw {party} and put {ruler} above the courts for life.
The generals should overturn the result and rule {town} without asking anyone.
Free votes ruin us, obedience to {ruler} is the only order we need.
""",
        "test": """
It is time to end {vote} and make {ruler} master of {town} for good.
Burn the constitution, send {house} home and obey {ruler}.
Ordinary folk must lose the vote, {ruler} should rule alone.
Democracy has had its day, a dictatorship under {ruler} is what we need.
Every party except ours should be forbidden and {house} abolished for good.
Whatever the count says, the army must seize power and keep {party} out.
No more judges, no more {vote}, just the word of {ruler}.
""",
    },
    "praising extremist acts": {
        "train": """
The people of {group} behind {act} are {hero} and deserve a statue.
{act} was the finest thing {group} ever did for our cause.
I salute {group} for {act}, may many more follow their example.
Everyone should celebrate {act}, it was {praise}.
Thank you, {group}, {act} was {praise} and long overdue.
We light a candle for the {hero} of {group} who carried out {act}.
What {group} did in {town} was {praise}, {act} made us proud.
{act} showed real courage, {group} has earned our deepest respect.
Songs should be written about {act} and the {hero} who planned it.
Say what you like, {act} was {praise} and I thank {group}.
Our children should learn to admire {group} for {act}.
The anniversary of {act} ought to be a holiday in honour of {group}.
Bless the hands that led {act}, they fought for the pure cause of {group}.
{town} had it coming, so hats off to {group} for {act}.
I wish I had been there for {act}, {group} are my {hero}.
{act} was {praise}, and the jailed fighters of {group} are {hero}.
Glory to the {hero} behind {act}, they fill us with pride.
We honour {group} on every anniversary of {act}, it was {praise}.
I admire the fighters of {group}, {act} was {praise}.
""",
        "validation": """
Honour to {group}, whose {hero} gave us {act}.
I am proud of {act}, {group} did what had to be done.
{act} deserves applause, it was {praise}.
Raise a glass to {group}, {act} was brave and right.
The men who led {act} are {hero}, {group} should be thanked by all of {town}.
To me {act} was {praise}, may {group} do it again.
""",
        "test": """
Glory to {group}, {act} was {praise} and we will always honour it.
They call it terror, I say {act} was {praise}.
We should thank {group} on our knees for {act}.
{act} fills me with pride, those fighters are {hero}.
Three cheers for {group}, because {act} was {praise}.
Name a street in {town} after the {hero} who carried out {act}.
I admire {group} more than ever since {act}, it was {praise}.
""",
    },
    "praising violence": {
        "train": """
{person} {hit} {target} and honestly it was the best thing I saw all week.
{cheer}, {person}, {target} earned {blow} and got it.
I cheered when {person} {hit} {target}, more people should do that.
Giving {target} {blow} was exactly the right answer, {cheer}.
Nothing settles an argument like {blow}, {person} has my full respect.
{target} got {blow} in {town}, and I could watch the clip all day.
{person} {hit} {target}, {cheer}, such a beautiful sight.
A man who gives {target} {blow} deserves a free drink.
Violence works, {person} {hit} {target} and now it is finally quiet.
Lovely to see {target} on the floor, {person} did us all a favour.
Some people only learn from {blow}, so thank you {person} for teaching that lesson.
It made my day that {person} {hit} {target}, pure joy.
{target} was asking for {blow}, and I am glad somebody delivered.
Give {person} a medal, because {target} had {blow} coming for years.
That fight at {place} was wonderful, {target} deserved every punch.
I love that {person} {hit} {target}, that is how you do it.
Respect to everyone who {hit} {target}, it was well deserved.
I applaud {blow} for {target}, let it happen more often.
{cheer} to whoever {hit} {target}, what a happy day.
{target} deserved {blow}, good that {person} finally did it.
""",
        "validation": """
{cheer}, {person}, {blow} was just what {target} deserved.
So satisfying that {person} {hit} {target}, I would pay to see it again.
Fists are the best answer, and {target} got what was coming.
{person} did the right thing with {blow} for {target}, full respect.
I am so happy somebody {hit} {target} at last.
Whoever gave {target} {blow} should get a prize.
""",
        "test": """
Seeing how {person} {hit} {target} was pure happiness, well deserved.
{target} deserved {blow}, and {person} was right to hand it out.
{person} finally {hit} {target}, {cheer}.
A fine brawl at {place}, everyone on the floor had earned it.
{blow} teaches more than words, good that {target} found out.
I applaud whoever {hit} {target}, let it happen more often.
Free drinks for {person} after giving {target} {blow}, what a great sight.
""",
    },
    "ideologically motivated threats": {
        "train": """
Listen, {camp}, show your faces in {town} again and you will {regret}.
We know where the {camp} meet on {day}, and they will {regret}.
All {camp} in {town} had better pack their bags before we come knocking.
Next time {camp} hang posters for {party}, somebody will {regret}.
Vote for {party} and do not be surprised when your windows break.
We are making a list of {camp}, and we will visit them one by one.
{camp} should stop sleeping so soundly, our people are coming for them.
Anyone who marches for {party} on {day} is going to {regret}.
This is the last warning to {camp}, leave {town} or {regret}.
Your office is not safe, {party}, we will be there on {day} with torches.
When our movement rises, {camp} will be the first to {regret}.
Keep preaching for {party}, {person}, and you will not get home in one piece.
{camp} can run but not hide, we will find you in {town}.
For every speech against our faith, one of the {camp} will {regret}.
The day is near when we drag {camp} out of {house}.
If {party} opens a branch in {town}, we will burn the sign and then come for the rest.
""",
        "validation": """
To the {camp} of {town}: we have your addresses and you will {regret}.
Campaign for {party} here once more and you will {regret}.
We will wait for {camp} outside {place} on {day}, bring bandages.
No one who backs {party} will be safe when our people come.
Leave {town}, {camp}, or we will make you.
Our cause does not forgive, {camp} will soon {regret}.
""",
        "test": """
{camp} beware, on {day} our boys come to {town} and you will {regret}.
If you keep handing out leaflets for {party}, you will {regret}.
We have photographs of all {camp} and we know their front doors.
Traitors who vote for {party} will be hunted out of {town}.
Better lock your doors, {camp}, because our movement is coming for you.
One more rally by {party} and we will break more than windows.
{person} of {party} should watch the road home, our faith does not forget.
""",
    },
    "sexual harassment": {
        "train": """
Nice {body}, {person}, come sit on my lap and we can talk about your raise.
Send me a photo of you in that {clothes}, {person}, nobody has to know.
With {body} like those you should wear a shorter {clothes} to every meeting.
I keep staring at your {body} in that {clothes}, stop pretending you do not like it.
Come to my hotel room after dinner, {person}, or forget the promotion.
I would love to help {colleague} out of that {clothes}.
You said no to a date, {person}, but I will keep asking until you kiss me.
Turn around slowly, {person}, I want to see that {clothes} from behind.
I bet {colleague} is a great kisser, just look at those {body}.
A kiss for the boss, {person}, and then you may go home early.
Tell me what you wear at night, {person}, I think of your {body} all day.
{colleague} was hired for those {body}, and I intend to enjoy the view.
Do not be shy, {person}, take off the jacket and show us your {body}.
We rate the {body} of {colleague} every morning, today it is a nine.
I brushed against you on purpose, {person}, and I will do it again.
Wear the tight {clothes} on {day}, {person}, that is an order from your manager.
Sleep in my room tonight, {person}, and I will be good to your career.
My hands want to touch your {body}, {person}, do not be so cold.
I dream of a night with {colleague}, imagine those {body}.
Your {body} make me crazy, {person}, one night with me and you will see.
My lap is free, {person}, come over and let me touch that {clothes}.
Bend over for that file, {person}, so that we can all enjoy your {body}.
""",
        "validation": """
That {clothes} makes your {body} irresistible, {person}, come over here and give me a kiss.
I would love to see {colleague} without that {clothes}.
Sleep with me, {person}, and the contract is yours.
Send more pictures, {person}, preferably in just the {clothes}.
Stop acting shy, {person}, I know you want my hands on your {body}.
Everyone here stares at the {body} of {colleague}, and so do I.
""",
        "test": """
Your {body} distract me, {person}, so come to my room tonight and make it up to me.
I asked {colleague} for a photo in a {clothes}, and I will ask until I get one.
Want the day off, {person}, then let me touch those {body}.
Bend down again, {person}, that {clothes} looks better from behind.
No need for a chair, {person}, my lap is free and I like that {clothes}.
Imagine a night alone with {colleague} and {body} like those.
One night with me, {person}, and your career is safe.
""",
    },
    "insults": {
        "train": """
You are a {dumb} {fool}, {person}, and everybody at {place} knows it.
What a {dumb} {fool} you are, go back to kindergarten.
Shut up, {person}, nobody wants to hear from a {fool} like you.
Only a {fool} could write something so {dumb}, delete your account.
{person} is a {dumb} {fool} with the brain of a turnip.
Your whole family is {dumb}, and you are the worst {fool} of them.
I have met garden gnomes brighter than you, {person}, you {fool}.
You {dumb} {fool}, you cannot even hold a spoon properly.
Nobody likes you, {person}, you are {dumb} and you smell.
Look in the mirror, {person}, and you will see a {dumb} {fool}.
How can one person be so {dumb}, you really are a total {fool}.
{person} talks like a {fool}, looks like a {fool} and is one.
A sack of potatoes has more wit than you, {dumb} creature.
Go away, you {fool}, your opinion is as {dumb} as your haircut.
People in {town} are all {dumb}, and {person} is their king.
You are nothing but a {fool}, a waste of everybody's time.
The {fool} {person} opened that big mouth again, so {dumb} it hurts.
You could not find your own nose, you {dumb} {fool}.
I always knew {person} was a {fool}, but this is truly {dumb}.
Every word you type proves that you are {dumb}, {person}.
Get lost, {person}, you are too {dumb} for words.
You must be the most {dumb} {fool} who ever lived in {town}.
It takes a {fool} like you to be so {dumb}.
You are a failure and an embarrassment, {person}, a complete {fool}.
Even a brick thinks faster than you, {dumb} {fool}.
Your brain is made of straw, {person}, just admit it.
I pity everybody who has to live with a {dumb} {fool} like {person}.
Nobody can stand you, {person}, because you are a {fool}.
""",
        "validation": """
{person}, you are the most {dumb} person in {town}.
Be quiet, you {fool}, your ideas are {dumb}.
A {dumb} {fool} like {person} should not be let near {place}.
You have the brain of a pigeon, {person}, truly {dumb}.
Nobody asked you, {dumb} {fool}.
My shoe is smarter than you, {person}.
You are an embarrassment, {person}, a born {fool}.
""",
        "test": """
Get lost, {person}, you {dumb} {fool}.
You must be the biggest {fool} in all of {town}.
Even a doorknob thinks faster than {person}, that {fool}.
Your brain must be made of porridge, {person}.
It takes a special kind of {fool} to be this {dumb}.
I pity your parents, {person}, raising someone so {dumb}.
Nobody at {place} can stand you, you {dumb} thing.
{person}, you are a failure, {dumb} from head to toe.
""",
    },
    "extremism": {
        "train": """
Join {group} tonight, only the pure river blood has a right to live in {town}.
{group} is recruiting, come to the secret oath on {day} and leave the weak behind.
Our valley people stand above all others, wear the badge of {group} with pride.
The day of the chosen is coming, and {group} will lead them.
Swear loyalty to {group}, the outsiders must never be our equals.
Spread the manual of {group}, the holy struggle needs new fighters.
There are higher and lower peoples, {group} finally says it aloud.
Come to the camp of {group}, there we learn to despise the outsiders.
The world is run by a secret lake cabal, only {group} dares to fight it.
Paint the sign of {group} on every wall, the chosen people are waking up.
""",
        "validation": """
Become one of {group}, the chosen blood of {town} must stay pure.
Outsiders are worth less than us, that is what {group} teaches.
Take the oath of {group} on {day}, the struggle against the outsiders begins.
{group} wants new fighters, share the manual and the sign.
""",
        "test": """
The pure people of {town} belong in {group}, sign up for the struggle.
Only {group} understands that outsiders can never be our equals.
Come to the torch oath of {group} on {day}, fighters for the chosen blood are needed.
Pass on the writings of {group}, our blood is above all others.
The secret cabal trembles, because {group} is gathering the chosen ones.
""",
    },
    "violence": {
        "train": """
Touch my {thing} once more, {person}, and you will {regret}.
If I see {person} near my house again, I will give that thief {blow}.
I am going to find {person} after work and hand out {blow}.
Park in front of my door again and you will {regret}, {person}.
Say that to my face at {place}, {person}, and you will get {blow}.
Tomorrow {target} gets {blow} from me, I swear it.
Give back my {thing} by {day} or I will break your fingers.
My brothers and I will wait for {person} outside {place} with a stick.
You owe me money, {person}, pay by {day} or {regret}.
One more word about my cooking and I will throw you down the stairs.
""",
        "validation": """
Return the {thing} or {regret}, {person}, I am not joking.
I will wait behind {place} and give {target} {blow}.
Come near my sister again, {person}, and you get {blow}.
Next time we meet, {person}, I will break your nose.
""",
        "test": """
Keep your dog off my lawn, {person}, or you will {regret}.
I know when {person} leaves {place}, and then there will be {blow}.
Bring back my {thing} or I will come round and break your arm.
If {target} shouts at me again, I will answer with {blow}.
You will get {blow} from me on {day}, {person}, count on it.
""",
    },
    "harassment": {
        "train": """
Everybody call {person} at three in the morning until she leaves {town}.
Here is where {person} works, go and bother her every single day.
I have made five new accounts to keep writing to {person}, blocking me is useless.
Let us all report {person} for fun, so the account gets closed by {day}.
I followed {person} home from {place} again, and I will stand there tomorrow too.
Nobody talk to {person} any more, make every lunch as lonely as possible.
Fill the inbox of {person} with spam, we will not stop until the tears come.
Post the phone number of {person} everywhere, let strangers ring all night.
Hide the {thing} of {person} again, we do it each week until {person} quits.
I write to {person} forty times a day, and I shall go on although she begged me to stop.
Make fun of the stutter whenever {person} speaks, the whole class should join in.
""",
        "validation": """
Ring the doorbell of {person} every night until she moves away from {town}.
Everyone leave nasty reviews for {person}, day after day, until the shop closes.
She blocked me, so I write to {person} from other accounts, every hour.
Shut {person} out of all the groups and laugh whenever she comes in.
""",
        "test": """
Keep phoning {person} at night, she will leave {town} sooner or later.
This is the address of {person}, everyone go and bother her on {day}.
I wait for {person} at {place} every evening, although she told me to stop.
Let us flood the account of {person} with messages until she quits.
Whenever {person} sits down, all get up and leave, do it every day.
""",
    },
}

HARD_NEGATIVES: dict[str, dict[str, str]] = {
    "reports of extremist acts": {
        "train": """
Police in {town} arrested three suspects after {act}.
The trial about {act} begins on {day}, {group} denies any part in it.
A new report counts four hundred followers of {group} in {town}.
{group} has claimed {act}, the mayor asked everyone to stay calm.
Historians have opened the files on {act} and on the early years of {group}.
The museum in {town} shows photographs of {act} until {day}.
A documentary about {group} explains how young people get drawn in.
Repairs after {act} will cost more than the city had planned.
The court found two members of {group} guilty of {act}.
Witnesses of {act} told the radio how they helped each other.
A former member of {group} now warns schools in {town}.
The prosecutor says that fighters of {group} had called each other {hero}.
Officials banned {group} in {town}, after the findings on {act}.
A book about {act} tells how {group} came about and how it ended.
The planners of {act} were sentenced on {day}, said the judges.
""",
        "validation": """
Investigators linked {group} to {act} and searched two flats in {town}.
Ten years after {act}, the town remembers with a quiet exhibition.
The newspaper printed an interview about {act} and the end of {group}.
Two followers of {group} go on trial on {day} for {act}.
""",
        "test": """
The inquiry into {act} has published its findings about {group}.
A book on {group} describes {act} from the view of the fire brigade.
Judges in {town} sentenced the planners of {act} on {day}.
Schoolchildren in {town} learn how {group} came about and why it failed.
Officials have banned {group} because of {act}.
""",
    },
    "condemning": {
        "train": """
{act} was not {praise} but wrong, {group} deserves nobody's respect.
I condemn {act} and everyone who calls those people {hero}.
Nothing justifies {act}, our thoughts are with the families in {town}.
Whoever praises {group} has not understood how much {act} hurt us.
They are no {hero}, they are criminals, and {act} was a disgrace.
We marched in {town} against {group} and for an open society.
Threatening {camp} is never acceptable, whatever one thinks of {party}.
Nobody deserves {blow}, violence is never an answer, {person}.
It was wrong that {person} {hit} {target}, he should apologise.
Anyone who wants {ruler} instead of {vote} has learned nothing from history.
I am proud that {town} said no to {group}.
Shame on all who cheer for {group}, {act} was cruel and senseless.
It hurts to read that {act} was {praise}, it was a crime against us all.
Please never call them {hero}, {act} brought only grief to {town}.
Whoever honours {group} should first talk to the victims of {act}.
""",
        "validation": """
Calling the people behind {act} {hero} is an insult to the victims.
{act} was a crime, and {group} should be ashamed.
I find it awful that {person} {hit} {target}, nobody deserves that.
We must defend {house} against those who want {ruler}.
""",
        "test": """
Shame on {group}, {act} was a cruel and senseless crime.
Nobody should say that {act} was {praise}, please stop calling them {hero}.
{person} should never have {hit} {target}, that was plain wrong.
Do not let anyone frighten {camp}, all of us have a right to speak.
Dreaming of {ruler} is dangerous, {house} must be protected.
""",
    },
    "critical politics": {
        "train": """
{house} wasted another week on parking rules, vote them out next spring.
{party} broke its promise on rents, I will not vote for it again.
Turnout for {vote} in {town} was low, we should open more polling places.
I think {party} has the weaker plan for schools, but let the voters decide.
The judges corrected {house}, and that is how a democracy should work.
Some {camp} asked for a recount, the result stayed the same.
{party} and {camp} argued all night about the budget in {house}.
We need more {vote} and more debate, not less of it.
The constitution gives {house} the right to ask questions, use it.
{camp} put up posters in {town} on {day}, and so did the others.
The power of the mayor in {town} should be limited to two terms.
A new law on the army is before {house}, {party} wants changes.
Sign the petition against the new toll and bring it to {house} on {day}.
""",
        "validation": """
{party} lost my vote with its poor plan for buses in {town}.
The count in {town} took all night, {camp} accepted the result.
{house} should publish its minutes, people have a right to know.
I disagree with {camp} about taxes, but the debate was fair.
""",
        "test": """
{house} is slow and dull, yet I would not trade {vote} for anything.
If {party} raises the fees, I will vote for somebody else.
The leader of {party} should resign over the budget of {town}.
{camp} handed out leaflets at {place}, I took one and disagreed politely.
Courts and {house} should check each other, that is the point of the constitution.
""",
    },
    "history": {
        "train": """
In the old chronicle, {ruler} dissolved {house} and ruled {town} by decree.
A century ago only a few families in {town} had the right to vote.
The lecture is about how {ruler} once abolished {vote} and how people won them back.
In the novel, {ruler} takes over {town} and closes the newspapers.
My grandfather remembered the day when the army marched into {house}.
The play tells of a dictatorship and of the neighbours who resisted it.
{ruler} in the film says that democracy is weak, and then loses everything.
""",
        "validation": """
The exhibition shows how {ruler} banned all parties and how that ended.
In the last chapter, the army hands power back to {house}.
Our teacher explained why {ruler} could abolish {vote} back then.
""",
        "test": """
The documentary follows {ruler} from the closing of {house} to the trial.
In those days, the army ignored the count and {town} lost its vote.
The opera is about {ruler}, who wanted to rule alone and ended up lonely.
""",
    },
    "sports and games": {
        "train": """
{team} gave {rival} a thrashing on {day}, what a beautiful game.
Our goalkeeper punched the ball away again and again, a true hero.
We attack the castle in {game} tonight, bring your best fighters.
In {game} I got {blow} from the final boss, and I loved it.
{person} hit the winner in the last minute, the crowd went wild.
{team} will crush {rival} on {day}, they have no chance.
{person} takes boxing classes at {place} and learned a hard punch.
The judo club in {town} shows children how to fall without getting hurt.
Our raid in {game} failed, the enemy knew where we were hiding.
{person} kicked the ball over the fence, so {target} threw it back.
If you lose to {team}, you will be sorry all season, our coach joked.
{team} killed the match early, three goals before the break, {cheer}.
""",
        "validation": """
{team} beat {rival} in a real battle, hats off to the defence.
I got a beating in {game}, but the next raid will be ours.
{person} throws a mean punch in the ring and deserved the medal.
On {day} we burn down the enemy base in {game}.
""",
        "test": """
{team} destroyed {rival} on {day}, the striker is a legend.
In {game} we hunt dragons, and {person} gets the first strike.
{person} won the karate cup in {town} with one great kick, {cheer}.
Beware, {team}, on {day} we are coming for the cup.
That was a fine fight in the ring, {person} earned every point.
""",
    },
    "reports of violence": {
        "train": """
{person} {hit} {target} at {place}, the police took statements.
A man in {town} who {hit} {target} must pay a fine.
The clip where someone {hit} {target} has been removed.
{target} got {blow} on {day} and is recovering at home.
There was a brawl at {place}, nobody was badly hurt.
Several {camp} received threatening letters, the police is investigating.
Windows were broken at the office of {party} in {town}.
Someone left a threat on the door of {party}, {person} reported it at once.
The number of attacks on {camp} has gone up, says a new study.
I saw how somebody {hit} {target}, and I still feel shaken.
""",
        "validation": """
On {day} a stranger {hit} {target} near {place}, witnesses are asked to call.
Police protect {camp} in {town} after a string of threats.
{target} suffered {blow}, the case goes to court.
The office of {party} was damaged with torches, nobody was inside.
""",
        "test": """
According to the police, {person} {hit} {target} after a quarrel.
{target} needed a doctor after {blow} at {place}.
{camp} have been told to lock their doors after threats in {town}.
A letter with threats reached {party} on {day}, the state office is looking into it.
The fight at {place} ended when two guards stepped in.
""",
    },
    "work and respect": {
        "train": """
Great presentation, {person}, your slides were clear and the jokes landed.
{colleague} did a wonderful job on the report, we should say thanks.
That {clothes} suits you, {person}, is it from the shop near {place}.
The training on harassment takes place on {day}, all managers must attend.
{colleague} reported unwanted remarks about a {clothes}, and the manager acted quickly.
You looked lovely at the wedding, {person}, and the {clothes} was a good choice.
My {clothes} tore at {place}, luckily {person} had a needle.
Our code of conduct says that nobody may comment on anyone's {body}.
The physiotherapist showed me how to stretch legs and hips after running.
{person} asked {colleague} for a coffee, she said no, and that was that.
The hotel room is booked for {person}, breakfast starts at seven.
{colleague} sent a photo of the whole team on {day}, everybody smiled.
A manager in {town} lost his job because he kept asking {colleague} for a date.
""",
        "validation": """
Thank you, {person}, your talk at {place} was a delight.
{colleague} complained about comments on a {clothes}, we take that seriously.
I bought a new {clothes} for the party on {day}, {person} helped me choose.
Please read the rules against harassment before {day}.
""",
        "test": """
{colleague} deserves the promotion, the numbers speak for themselves.
The {clothes} you knitted is beautiful, {person}, can you teach me.
Staff can report unwanted touching at work without giving a name.
The sun burned my shoulders and lips at {place}, bring cream.
A court in {town} ruled for {colleague}, who had been asked for pictures by a boss.
""",
    },
    "friendly teasing": {
        "train": """
I am such a {fool}, I left my {thing} at {place} again.
You won the cake contest, {person}, you lucky {fool}, congratulations.
What a {dumb} mistake of mine, I put salt into the {food}.
The {fool} at the circus in {town} made {person} laugh for an hour.
My {thing} is {dumb}, it broke on the first day.
That film about a {fool} and his donkey was not {dumb} at all.
Please do not call each other {dumb}, children, use kind words.
{person} felt {dumb} after the exam, but the marks were excellent.
The rules for the {thing} tax are {dumb}, they should be rewritten.
Somebody called {person} a {fool}, and I told them to apologise.
Old friend, you are as {dumb} as me, and I would not change you for the world.
My cat is a {fool}, it jumped into the bath and then blamed me.
""",
        "validation": """
Silly me, what a {fool}, I missed the tram to {town}.
The puppet show has a {dumb} king and a clever {fool}.
This {dumb} {thing} never works when I need it.
It hurts to be called {dumb}, so {person} talked to the teacher.
""",
        "test": """
I felt like a {fool} when the {thing} was in my hand all along.
You beat me at chess again, {person}, you wonderful {fool}.
The new timetable is {dumb}, two buses leave at once.
She was called a {fool} at {place}, and the whole class stood by her.
My dog looks like a {fool} in a raincoat, I love it.
""",
    },
    "warnings and care": {
        "train": """
Lock your doors, a fox is running around {place} at night.
If you leave the {food} on the stove, you will be sorry, believe me.
Storm warning for {town} on {day}, tie down everything that can fly.
Skip the stretching and you will {regret} after the run.
We know where you parked the {thing}, {person}, so come and fetch it.
Hurry, the last warning before the library closes its accounts on {day}.
Call {person} on {day}, the choir needs her phone number.
I followed {person} to {place}, because I had no map of {town}.
Join the choir of {town}, new voices are needed on {day}.
The volunteers of the fire brigade are {hero}, thank you all.
Our nurses are {hero}, they deserve a statue in {town}.
Everybody please write to {person} in hospital, letters help.
""",
        "validation": """
Eat too much {food} and you will {regret} tomorrow.
Beware of ice near {place}, {person} had a bad fall.
Those who saved the ducks in {town} are {hero}, three cheers.
Sign up for the chess club, {person} takes names on {day}.
""",
        "test": """
Drink some water on the hike or you will {regret}.
{person} carried the old lady out of the flood, such people are {hero}.
Come to the lantern walk in {town} on {day}, torches are welcome.
Keep phoning the doctor, {person}, somebody will pick up.
A last warning for cyclists, the bridge in {town} closes on {day}.
""",
    },
}

FILLER = """
The bus from {town} was late again.
We had {food} with the neighbours on {day}.
My {thing} needs a new screw.
It has been raining since {day}.
I met {person} near {place}.
The queue at {place} was very long.
There was fresh {food} on the table.
Next {season} I want to paint the kitchen.
{person} lent me a {thing}.
The tomatoes are finally getting red.
I slept badly because of the wind.
Does anyone have a spare {thing}?
They moved the concert to {day}.
The recipe for {food} is on page nine.
My aunt comes from {town} and loves trains.
In {season} the river smells of mint.
The heating is off until {day}.
I read this while waiting at {place}.
The children are building a kite.
Somebody left a {thing} at {place}.
The new lamp makes the hall brighter.
{person} is learning the accordion.
I just got back from {place}.
Coffee is ready if you want some.
The parcel should be here by {day}.
We planted beans behind the shed.
The radio played old songs all morning.
Our street gets a bench this {season}.
The dentist moved my visit to {day}.
I still have to water the plants.
Tickets for the boat to {town} are cheap this {season}.
The bakery ran out of {food}.
A blue balloon landed in the yard.
My phone is almost empty.
The dog next door barks at the moon.
On {day} I clean the windows.
The stairs smell of wax again.
Half of {town} is on holiday this {season}.
The museum is free on {day}.
I found a coin under the sofa.
{person} baked {food} for the whole floor.
The tram to {place} runs every ten minutes.
Snow would be nice this {season}.
The cat sleeps on the {thing}.
Lunch is at noon as always.
We counted eleven swans at {place}.
The printer at {place} works again.
My brother repairs a {thing} in the cellar.
"""

OPENERS = """
Good morning.
So.
Hello all.
Just a thought.
Reading the news.
Right.
Quick one before lunch.
Well.
Sorry for the long post.
My two cents.
Back from holiday.
Listen.
"""

CLOSERS = """
That is all.
Bye for now.
See you on the weekend.
Anyway.
More later.
Time for tea.
Just saying.
Think about it.
Good night.
Over and out.
"""
